//! Lengths of time as people write them: `30s`, `2m`, `1h30m`.

use std::time::Duration;

/// The units, the longest first, with their milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1000)];

/// Reads numbers with their units, such as `1h30m`; none where it is no such text.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut milliseconds: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, unit_and_rest) = rest.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        let (unit, length) = UNITS.iter().find(|(unit, _)| unit_and_rest.starts_with(unit))?;
        milliseconds = milliseconds.checked_add(number.checked_mul(*length)?)?;
        rest = unit_and_rest.get(unit.len()..)?.trim_start();
    }
    Some(Duration::from_millis(milliseconds))
}

/// A length of time in the largest unit that gives a whole number.
pub(super) fn display(length: Duration) -> String {
    let milliseconds = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut units = UNITS;
    units.sort_by_key(|(_, length)| std::cmp::Reverse(*length));
    let whole = units.iter().find(|(_, length)| milliseconds >= *length && milliseconds % length == 0);
    whole.map_or_else(|| "0s".into(), |(unit, length)| format!("{}{unit}", milliseconds / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        for (text, seconds) in
            [("30s", 30), ("2m", 120), ("1h30m", 5400), ("1d", 86400), ("1h 5s", 3605), ("1500ms0s", 1)]
        {
            assert_eq!(parse(text).map(|length| length.as_secs()), Some(seconds), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5h", "2 m", "1w", "99999999999999999999d", "2minutes"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_written_in_their_largest_unit() {
        for (milliseconds, text) in [(0, "0s"), (500, "500ms"), (1000, "1s"), (90_000, "90s"), (86_400_000, "1d")] {
            assert_eq!(display(Duration::from_millis(milliseconds)), text);
        }
    }
}

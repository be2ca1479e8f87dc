//! Times for a person.

use jiff::{SignedDuration, Timestamp};

/// A time in milliseconds since 1970, as a person reads it, in UTC.
pub fn clock(milliseconds: i64) -> String {
    let second = Timestamp::from_second(milliseconds.div_euclid(1000));
    second.map_or_else(|_| milliseconds.to_string(), |time| time.to_string())
}

/// How far away a time is: `in 2m` or `3h ago`.
pub fn ago(milliseconds: i64) -> String {
    let seconds = (milliseconds - Timestamp::now().as_millisecond()).div_euclid(1000);
    let length = seconds.unsigned_abs();
    let text = match length {
        0..=119 => format!("{length}s"),
        120..=7199 => format!("{}m", length / 60),
        7200..=172_799 => format!("{}h", length / 3600),
        _ => format!("{}d", length / 86_400),
    };
    if seconds > 0 { format!("in {text}") } else { format!("{text} ago") }
}

/// Reads a time: `2026-01-31T12:00:00Z`, or so long ago: `30m`, `2h`, `3d`. In milliseconds since 1970.
pub fn since(text: &str) -> Result<i64, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let length = match text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()) {
        Some(days) if (0..=100_000).contains(&days) => Some(SignedDuration::from_hours(24 * days)),
        _ => text.parse::<SignedDuration>().ok().filter(|length| !length.is_negative()),
    };
    let time = length.and_then(|length| Timestamp::now().checked_sub(length).ok());
    time.map(Timestamp::as_millisecond)
        .ok_or_else(|| "it must be a time such as 2026-01-31T12:00:00Z, or so long ago: 30m, 2h, 3d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_such_or_as_so_long_ago() {
        assert_eq!(since("1970-01-02T00:00:00Z"), Ok(86_400_000));
        let hour_ago = since("1h").unwrap();
        assert!((3_600_000..3_660_000).contains(&(Timestamp::now().as_millisecond() - hour_ago)));
        assert!(since("3d").unwrap() < since("2d").unwrap());
        for wrong in ["", "yesterday", "-1h", "999999999999d"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_shown_in_utc_and_as_a_distance() {
        assert_eq!(clock(86_400_123), "1970-01-02T00:00:00Z");
        let now = Timestamp::now().as_millisecond();
        assert_eq!(ago(now - 3_600_000 * 5), "5h ago");
        assert!(ago(now + 150_500).starts_with("in 2m"), "{}", ago(now + 150_500));
    }
}

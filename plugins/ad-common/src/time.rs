//! Points in time as the host writes them: RFC 3339 in UTC.

/// The seconds since 1970 of a time such as `2026-01-31T23:59:59Z`; none where it is no such text. Fractions are
/// dropped.
pub fn seconds(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    let [hour, minute, second] = numbers(time, ':')?;
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    in_range.then(|| days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Three numbers of at most four digits.
fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let mut next = || {
        let part = parts.next().filter(|part| (1..=4).contains(&part.len()))?;
        part.bytes().all(|octet| octet.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let three = [next()?, next()?, next()?];
    parts.next().is_none().then_some(three)
}

/// The days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March, so that the leap day is their
/// last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_seconds() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("2000-02-29T12:30:15Z", Some(951_827_415)),
            ("2026-01-31T23:59:59Z", Some(1_769_903_999)),
            ("2026-01-31T23:59:59.1234567Z", Some(1_769_903_999)),
            ("1601-01-01T00:00:00Z", Some(-11_644_473_600)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799)),
            ("2026-01-31T23:59:59+01:00", None),
            ("2026-13-31T23:59:59Z", None),
            ("2026-01-31", None),
            ("never", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}

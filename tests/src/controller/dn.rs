//! Names as the double needs them: cut at their commas, compared without regard to case, escaped as Windows does.

/// The parts of a name, the lowest first, each normalised as `type=value`; none where it is not a name.
pub(super) fn normalised(dn: &str) -> Option<Vec<String>> {
    if dn.trim().is_empty() {
        return Some(Vec::new());
    }
    split(dn).into_iter().map(normalised_part).collect()
}

/// A part of a name, normalised.
pub(super) fn part_key(kind: &str, value: &str) -> String {
    format!("{}={}", kind.to_lowercase(), value.to_lowercase())
}

fn normalised_part(part: &str) -> Option<String> {
    let (kind, value) = part.split_once('=')?;
    let kind = kind.trim();
    let value = unescaped(value)?;
    if kind.is_empty() || value.is_empty() { None } else { Some(part_key(kind, &value)) }
}

/// Cuts at the commas that are not escaped.
fn split(dn: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, sign) in dn.char_indices() {
        if !escaped && sign == ',' {
            parts.extend(dn.get(start..at));
            start = at + 1;
        }
        escaped = !escaped && sign == '\\';
    }
    parts.extend(dn.get(start..));
    parts
}

/// A value without its escapes and the blanks around it; none where an escape is not finished or the text is not UTF-8.
fn unescaped(value: &str) -> Option<String> {
    let mut octets: Vec<u8> = Vec::new();
    let mut rest = value.trim_start().as_bytes();
    // How long it is at least: an escaped blank at the end stays.
    let mut kept = 0;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            octets.push(*first);
            continue;
        }
        let pair = rest.get(..2).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let pair = pair.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let (octet, length) = match pair {
            Some(octet) => (octet, 2),
            None => (*rest.first()?, 1),
        };
        octets.push(octet);
        rest = rest.get(length..).unwrap_or_default();
        kept = octets.len();
    }
    while octets.len() > kept && octets.last() == Some(&b' ') {
        octets.pop();
    }
    String::from_utf8(octets).ok()
}

/// A value as it stands in a name (RFC 4514); the line feed in the name of a deleted object becomes `\0A`.
pub(super) fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, sign) in value.chars().enumerate() {
        match sign {
            '\n' => text.push_str("\\0A"),
            '\r' => text.push_str("\\0D"),
            '\0' => text.push_str("\\00"),
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => text.extend(['\\', sign]),
            '#' if at == 0 => text.push_str("\\#"),
            ' ' if at == 0 || at == last => text.push_str("\\ "),
            _ => text.push(sign),
        }
    }
    text
}

//! Writing names, with the escapes of RFC 4514, section 2.4.

use std::fmt;

use super::{AvaValue, Dn, Rdn};

impl fmt::Display for Dn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            rdn.fmt(formatter)?;
        }
        Ok(())
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ava) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("+")?;
            }
            formatter.write_str(&ava.attribute)?;
            formatter.write_str("=")?;
            match &ava.value {
                AvaValue::Text(text) => escape(text, formatter)?,
                AvaValue::Octets(octets) => {
                    for octet in octets {
                        write!(formatter, "\\{octet:02x}")?;
                    }
                }
                AvaValue::Ber(octets) => {
                    formatter.write_str("#")?;
                    for octet in octets {
                        write!(formatter, "{octet:02x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Writes a value with the escapes of RFC 4514, section 2.4.
fn escape(text: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let last = text.len().saturating_sub(1);
    let mut written = 0;
    for (index, octet) in text.bytes().enumerate() {
        let escaped = match octet {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => true,
            b'#' => index == 0,
            b' ' => index == 0 || index == last,
            0 => true,
            _ => false,
        };
        if escaped {
            // An octet that is escaped is a character by itself, so that what is before it ends with one.
            formatter.write_str(text.get(written..index).unwrap_or_default())?;
            match octet {
                0 => formatter.write_str("\\00")?,
                _ => write!(formatter, "\\{}", char::from(octet))?,
            }
            written = index + 1;
        }
    }
    formatter.write_str(text.get(written..).unwrap_or_default())
}

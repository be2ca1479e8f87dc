//! Writing names, with the escapes of RFC 4514, section 2.4.

use std::fmt;

use super::{AvaValue, Dn, Rdn};

impl fmt::Display for Dn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            write!(formatter, "{rdn}")?;
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
            write!(formatter, "{}=", ava.attribute)?;
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
    let last = text.chars().count().saturating_sub(1);
    for (index, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(formatter, "\\{character}")?,
            '#' | ' ' if index == 0 => write!(formatter, "\\{character}")?,
            ' ' if index == last => formatter.write_str("\\ ")?,
            '\0' => formatter.write_str("\\00")?,
            _ => write!(formatter, "{character}")?,
        }
    }
    Ok(())
}

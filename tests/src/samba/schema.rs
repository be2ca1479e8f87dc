//! Attributes that Samba's schema lacks: what Exchange adds to a forest, and newer versions of Windows.

/// Text, with a single value.
const TEXT: &str = "attributeSyntax: 2.5.5.12\noMSyntax: 64\n";
/// A whole number of 64 bits.
const NUMBER: &str = "attributeSyntax: 2.5.5.16\noMSyntax: 65\n";

/// The arc that Microsoft reserves for attributes of one's own. The real numbers matter to nobody here.
const ARC: &str = "1.2.840.113556.1.8000.2554.61000";

/// The change records that add the attributes, for users, groups and contacts alike.
pub fn exchange(base_dn: &str) -> String {
    let mut attributes: Vec<(String, &str)> = vec![
        ("mailNickname".to_owned(), TEXT),
        ("targetAddress".to_owned(), TEXT),
        ("msExchRecipientTypeDetails".to_owned(), NUMBER),
        ("msDS-ExternalDirectoryObjectId".to_owned(), TEXT),
    ];
    attributes.extend((1..=15).map(|number| (format!("extensionAttribute{number}"), TEXT)));

    let schema = format!("CN=Schema,CN=Configuration,{base_dn}");
    // A new attribute may be used once the schema was read again.
    let reread = "dn:\nchangetype: modify\nadd: schemaUpdateNow\nschemaUpdateNow: 1\n\n";
    let mut ldif = String::new();
    for (number, (name, syntax)) in (1..).zip(&attributes) {
        ldif.push_str(&definition(&schema, name, syntax, number));
    }
    ldif.push_str(reread);
    // The auxiliary class of whatever can receive mail: user, group and contact have it.
    ldif.push_str(&format!("dn: CN=Mail-Recipient,{schema}\nchangetype: modify\nadd: mayContain\n"));
    for (name, _) in &attributes {
        ldif.push_str(&format!("mayContain: {name}\n"));
    }
    ldif.push('\n');
    ldif.push_str(reread);
    ldif
}

fn definition(schema: &str, name: &str, syntax: &str, number: u32) -> String {
    format!(
        "dn: CN=Lab-{name},{schema}\nchangetype: add\nobjectClass: attributeSchema\nlDAPDisplayName: {name}\n\
         attributeID: {ARC}.{number}\n{syntax}isSingleValued: TRUE\nsearchFlags: 0\n\n"
    )
}

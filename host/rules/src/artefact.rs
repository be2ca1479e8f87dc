//! The one place where machine code that was compiled earlier is taken up again.
#![expect(
    unsafe_code,
    clippy::disallowed_methods,
    reason = "the engine runs what it is given; this file is where it is made sure that it is its own work"
)]

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::hash::Hash;

/// What every artefact begins with; another layout is another beginning.
const MAGIC: &[u8; 8] = b"PVCODE1\n";
/// Magic and digest.
const HEAD: usize = MAGIC.len() + 32;

/// Wraps what the engine compiled, so that [`take_up`] knows it again.
pub(crate) fn wrap(key: Hash, code: &[u8]) -> Vec<u8> {
    let digest = Hash::of_parts([&key.octets()[..], code]);
    [&MAGIC[..], &digest.octets(), code].concat()
}

/// The component of an artefact; none where the octets are torn, of another component, engine or setting, or not ours.
pub(crate) fn take_up(engine: &Engine, key: Hash, artefact: &[u8]) -> Option<Component> {
    let (head, code) = artefact.split_at_checked(HEAD)?;
    let (magic, digest) = head.split_at_checked(MAGIC.len())?;
    if magic != MAGIC || digest != Hash::of_parts([&key.octets()[..], code]).octets() {
        return None;
    }
    // SAFETY: `deserialize` asks that the octets come from `Component::serialize` of this engine and were not altered
    // since. The digest stands for the octets, and covers the key: the component's content, the engine's version and
    // everything it compiles by. Who could write an artefact with a fitting digest could write to a folder of mode 0700
    // that belongs to this user (`compiled.rs` refuses any other), so is this user, and may run code without our help.
    // The octets are our copy in memory: nobody changes them meanwhile.
    unsafe { Component::deserialize(engine, code) }.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_wrapped_for_the_key_is_taken_up() {
        let engine = Engine::default();
        let code = Component::new(&engine, wat::parse_str("(component)").unwrap()).unwrap().serialize().unwrap();
        let key = Hash::of(b"component and engine");
        let artefact = wrap(key, &code);
        assert!(take_up(&engine, key, &artefact).is_some());
        assert!(take_up(&engine, Hash::of(b"another"), &artefact).is_none());
        for end in [0, 4, HEAD - 1, HEAD, artefact.len() - 1] {
            assert!(take_up(&engine, key, &artefact[..end]).is_none(), "torn at {end}");
        }
        for place in [0, 9, HEAD, artefact.len() / 2, artefact.len() - 1] {
            let mut altered = artefact.clone();
            altered[place] ^= 1;
            assert!(take_up(&engine, key, &altered).is_none(), "altered at {place}");
        }
        assert!(take_up(&engine, key, &code).is_none(), "what the engine wrote, without our digest");
    }
}

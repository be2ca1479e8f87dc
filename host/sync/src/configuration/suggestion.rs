//! "Did you mean": the known word nearest to a wrong one.

/// What to say of a word that is none of `known`.
pub(super) fn among(wrong: &str, known: &[&str]) -> String {
    let folded = wrong.to_lowercase().replace('_', "-");
    let near = known.iter().map(|word| (strsim::damerau_levenshtein(&folded, word), *word)).min();
    match near {
        Some((distance, word)) if distance <= 2.max(wrong.len() / 4) && distance < word.len() => {
            format!("Did you mean \"{word}\"?")
        }
        _ => format!("Known are: {}", known.join(", ")),
    }
}

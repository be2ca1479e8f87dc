//! Whether an import may go on: not behind its end, and not behind an error.

use crate::error::DirectoryError;

/// How an import stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Ended,
    /// An error, after which nothing may follow.
    Broken,
}

impl State {
    /// Whether there is a page to read. Until [`Self::read`] the import counts as broken, also where the caller gives up
    /// waiting: nothing follows from what was not read to its end.
    ///
    /// # Errors
    /// When it is broken already.
    pub fn begin(&mut self, url: &str) -> Result<bool, DirectoryError> {
        match std::mem::replace(self, Self::Broken) {
            Self::Running => Ok(true),
            Self::Ended => {
                *self = Self::Ended;
                Ok(false)
            }
            Self::Broken => Err(broken(url)),
        }
    }

    /// A page was read, or that there are no more.
    pub fn read(&mut self, more: bool) {
        *self = if more { Self::Running } else { Self::Ended };
    }

    /// That the import was read to its end.
    ///
    /// # Errors
    /// When it was not.
    pub fn ended(self, url: &str) -> Result<(), DirectoryError> {
        if self == Self::Ended { Ok(()) } else { Err(broken(url)) }
    }
}

/// What is said of an import of which not all came.
pub(crate) fn broken(url: &str) -> DirectoryError {
    DirectoryError::EndedEarly {
        url: url.to_owned(),
        reason: "the import was not read to its end".into(),
        transient: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_from_an_import_that_was_given_up_in_a_page() {
        let mut state = State::Running;
        assert!(state.begin("").unwrap());
        state.read(true);
        assert!(state.ended("").is_err(), "there may be more");
        assert!(state.begin("").unwrap());
        assert!(state.begin("").is_err() && state.ended("").is_err(), "the page before was not read");
        let mut state = State::Running;
        assert!(state.begin("").unwrap());
        state.read(false);
        assert!(!state.begin("").unwrap());
        assert!(state.ended("").is_ok());
    }
}

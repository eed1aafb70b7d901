//! Everything a person or a script talks to: REST, sign-in, API documents.

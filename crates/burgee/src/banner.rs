//! What a start tells the person who started it.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use domain::founding::Founded;

use crate::config::Profile;

/// Prints where Burgee runs and, once, the secrets that this start made. In colour where there is a terminal.
pub(crate) fn print(url: &str, profile: Profile, founded: &Founded) {
    let text = render(url, profile, founded, std::io::stdout().is_terminal());
    // Nobody may be reading; that is no reason not to serve.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn render(url: &str, profile: Profile, founded: &Founded, colour: bool) -> String {
    let paint =
        |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let profile = match profile {
        Profile::Local => "local",
        Profile::Production => "production",
    };
    let mut text = String::new();
    if founded.admin.is_some() || !founded.sdk_keys.is_empty() {
        let _ = writeln!(text, "{}", paint("1;33", "Shown this once, and kept nowhere:"));
    }
    if let Some((email, password)) = &founded.admin {
        let _ = writeln!(
            text,
            "  Admin e-mail      {}\n  Admin password    {}",
            paint("1", email),
            paint("1", password)
        );
    }
    for (kind, key) in &founded.sdk_keys {
        let label = format!("SDK key ({})", kind.name());
        let _ = writeln!(text, "  {label:<17} {}", paint("1", key));
    }
    for warning in &founded.warnings {
        let _ = writeln!(text, "{} {warning}", paint("33", "Note:"));
    }
    let _ = writeln!(text, "API documents at    {url}/docs");
    // The last line: who waits for it knows that all was said.
    let _ = writeln!(text, "{} at   {}  ({profile})", paint("1;36", "Burgee is running"), paint("4", url));
    text
}

#[cfg(test)]
mod tests {
    use domain::founding::Founded;
    use domain::sdk_key::SdkKeyKind;

    use super::render;
    use crate::config::Profile;

    #[test]
    fn a_first_start_shows_its_secrets_and_a_later_one_nothing() {
        let url = "http://127.0.0.1:8080";
        let first = Founded {
            admin: Some(("admin@burgee.local".to_owned(), "p4ss".to_owned())),
            sdk_keys: vec![
                (SdkKeyKind::Server, "bgs_1".to_owned()),
                (SdkKeyKind::Client, "bgc_2".to_owned()),
            ],
            ..Founded::default()
        };
        let text = render(url, Profile::Local, &first, false);
        for part in ["http://127.0.0.1:8080", "admin@burgee.local", "p4ss", "bgs_1", "bgc_2"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains('\x1b'));
        assert!(!render(url, Profile::Local, &Founded::default(), false).contains("once"));
    }
}

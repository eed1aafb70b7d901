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
    if let Some((token, end)) = &founded.setup_token {
        text.push_str(&setup_box(url, token, &end.to_string(), paint));
    }
    for warning in &founded.warnings {
        let _ = writeln!(text, "{} {warning}", paint("33", "Note:"));
    }
    let _ = writeln!(text, "API documents at    {url}/docs");
    // The last line: who waits for it knows that all was said.
    let _ = writeln!(text, "{} at   {}  ({profile})", paint("1;36", "Burgee is running"), paint("4", url));
    text
}

/// Nobody can sign in yet: whoever reads this makes the first admin.
fn setup_box(url: &str, token: &str, end: &str, paint: impl Fn(&str, &str) -> String) -> String {
    let lines = [
        "No admin can sign in yet. To make the first one, send".to_owned(),
        format!("POST {url}/setup"),
        "{\"token\": \"…\", \"email\": \"…\", \"password\": \"…\"}".to_owned(),
        format!("Setup token  {token}"),
        format!("Good once, until {end}; a restart makes another."),
    ];
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let mut text = format!("┌{}┐\n", "─".repeat(width + 2));
    for line in lines {
        let gap = " ".repeat(width - line.chars().count());
        let _ = writeln!(text, "│ {}{gap} │", paint("1", &line));
    }
    let _ = writeln!(text, "└{}┘", "─".repeat(width + 2));
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
        assert!(!text.contains('\x1b') && !text.contains("bgi_"));
        let end = domain::time::Timestamp::from_millis(1_795_219_200_000);
        let alone = Founded { setup_token: Some(("bgi_3".to_owned(), end)), ..Founded::default() };
        let text = render(url, Profile::Production, &alone, false);
        assert!(text.contains("│ Setup token  bgi_3") && text.contains("2026-11-21T00:00:00.000Z"), "{text}");
        assert!(!render(url, Profile::Local, &Founded::default(), false).contains("once"));
    }
}

//! The context of a script that a server refused half-way. Servers seldom report it.

use std::fmt::Write;

use crate::request::Request;
use crate::request::Source;

/// Returns the names that a refused script uses, and the step that was refused if the server
/// reports its line. Empty for a plain command, whose attempt has these names.
pub(super) fn explanation(request: &Request, details: &str) -> String {
    let Some(source) = request.source() else { return String::new() };
    let publishing = request.publishing();
    let mut text = String::from(" (a script");
    if let Some(step) = step(source, details) {
        let _ = write!(text, ", at `{}`", step.trim());
    }
    let keys = request.keys().take(MAX_SHOWN).map(<[u8]>::to_vec);
    let sequences = publishing.iter().map(|publishing| publishing.sequences(None));
    let channels: Vec<_> = publishing.iter().map(|publishing| publishing.own_channel()).collect();
    for (what, names) in [("keys", keys.chain(sequences).collect()), ("channels", channels)] {
        let names: Vec<_> =
            names.iter().map(|name| format!("\"{}\"", name.escape_ascii())).collect();
        if !names.is_empty() {
            let _ = write!(text, "; {what} {}", names.join(", "));
        }
    }
    text.push(')');
    text
}

/// Returns whether a command that the server does not know is the one for which `request` needs a
/// newer server, rather than another one of its script, which may have been renamed.
pub(super) fn is_about_the_needed(request: &Request, details: &str) -> bool {
    match request.source() {
        None => true,
        Some(_) if !request.needs_newer_servers() => false,
        Some(source) => step(source, details).is_none_or(|step| step.contains(OF_FIELDS)),
    }
}

/// The step of a script at which it ended. A line that only raises the errors of other steps is not
/// one.
fn step(source: &'static Source, details: &str) -> Option<&'static str> {
    let step = source.text.lines().nth(line(details)?.checked_sub(1)?);
    step.filter(|step| step.contains("call("))
}

/// Returns the line in which a script ended.
fn line(details: &str) -> Option<usize> {
    let after = details.rsplit_once("on @user_script:")?.1;
    after.trim_end_matches('.').parse().ok()
}

/// The prefix of the commands that make fields expire.
const OF_FIELDS: &str = "'HP";

const MAX_SHOWN: usize = 4;

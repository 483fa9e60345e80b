//! What a script was about that the user may not do all of. Servers seldom say it.

use std::fmt::Write;

use crate::request::Request;
use crate::script::{self, Script};

/// The names that a refused script uses, and the step that was refused if the server says which line it is in.
/// Nothing for a plain command, whose attempt says it.
pub(super) fn explanation(request: &Request, details: &str) -> String {
    let notices = request.notices();
    let source = match (request.is_script(), notices) {
        (None, []) => return String::new(),
        (script, []) => script.map(Script::plain),
        (script, _) => Some(script.unwrap_or(&script::COMMAND).telling()),
    };
    let step = line(details).and_then(|line| source?.text.lines().nth(line.checked_sub(1)?));
    let mut text = String::from(" (a script");
    // What raises errors of others is no step.
    if let Some(step) = step.filter(|step| step.contains("call(")) {
        let _ = write!(text, ", at `{}`", step.trim());
    }
    let keys = request.keys().take(MOST_SHOWN).map(<[u8]>::to_vec);
    let sequences = notices.iter().map(|notices| notices.sequences(None));
    let channels: Vec<_> = notices.iter().map(|notices| notices.own_channel()).collect();
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

/// The line in which a script ended.
fn line(details: &str) -> Option<usize> {
    let after = details.rsplit_once("on @user_script:")?.1;
    after.trim_end_matches('.').parse().ok()
}

const MOST_SHOWN: usize = 4;

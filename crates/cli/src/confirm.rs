//! Confirmation of what cannot be undone.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Asks on the terminal, and fails unless the answer is yes.
pub fn confirm(question: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        let problem =
            "cannot ask for confirmation, since standard input is no terminal; pass --yes";
        return Err(Failure::usage(problem.into()));
    }
    let mut terminal = io::stderr();
    write!(terminal, "{question} [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Failure::FAILED, "not confirmed: nothing was done"))
    }
}

//! Completions for shells, and man pages, both from the definition of the arguments.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory, Subcommand};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::failure::Failure;

/// A text about a program that the program itself prints.
#[derive(Subcommand)]
pub enum Document {
    /// Print completions for a shell
    Completions {
        /// The shell that is to complete commands
        shell: Shell,
    },
    /// Print the man page, or write one for each command to DIRECTORY
    Man {
        /// The directory of the pages, which is created if it does not exist
        directory: Option<PathBuf>,
    },
}

impl Document {
    /// Prints or writes the document of the program with the arguments `A`.
    pub fn print<A: CommandFactory>(&self) -> Result<(), Failure> {
        let mut command = A::command();
        let mut text = Vec::new();
        match self {
            Self::Completions { shell } => {
                let name = command.get_name().to_owned();
                generate(*shell, &mut command, name, &mut text);
            }
            Self::Man { directory: None } => {
                text = page(command.disable_help_subcommand(true))?;
            }
            Self::Man { directory: Some(directory) } => write_pages(command, directory)?,
        }
        Ok(io::stdout().write_all(&text)?)
    }
}

fn write_pages(command: Command, directory: &Path) -> Result<(), Failure> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let written = fs::create_dir_all(directory).and_then(|()| write_page(command, directory));
    written.map_err(|error| {
        let directory = directory.display();
        Failure::new(Failure::FAILED, format!("cannot write man pages to {directory}: {error}"))
    })
}

/// Writes the page of a command after those of its subcommands.
fn write_page(command: Command, directory: &Path) -> io::Result<()> {
    for subcommand in command.get_subcommands() {
        write_page(subcommand.clone(), directory)?;
    }
    let name = Man::new(command.clone()).get_filename();
    fs::write(directory.join(name), page(command)?)
}

/// Renders a page. The text after the help begins with examples, and goes on with notes.
fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    let page = String::from_utf8_lossy(&page);
    Ok(match page.split_once(".SH EXTRA\nExamples:\n") {
        Some((before, after)) => {
            let after = after.replacen("\n\n", "\n.SH NOTES\n", 1);
            format!("{before}.SH EXAMPLES\n{after}").into_bytes()
        }
        None => page.into_owned().into_bytes(),
    })
}

//! Options that every program accepts.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub struct Options {
    /// The URL of the server; repeat it to name several, as with --sentinel [env: REDIS_URL]
    /// [default: redis://127.0.0.1:6379/]
    #[arg(short, long = "url", value_name = "URL", global = true)]
    pub urls: Vec<String>,
    /// Connect to the master that Sentinels know as NAME; the URLs are those of the Sentinels
    #[arg(long, value_name = "NAME", global = true)]
    pub sentinel: Option<String>,
    /// The number of the database, instead of that in the URL
    #[arg(long, value_name = "NUMBER", global = true)]
    pub database: Option<u32>,
    /// Trust the root certificates in FILE, as PEM, instead of those of the system
    #[arg(long, value_name = "FILE", global = true)]
    pub ca: Option<PathBuf>,
    /// Present the certificate chain in FILE, as PEM, to the server; needs --key
    #[arg(long, value_name = "FILE", global = true)]
    pub cert: Option<PathBuf>,
    /// The private key of --cert, as PEM
    #[arg(long, value_name = "FILE", global = true)]
    pub key: Option<PathBuf>,
    /// Print JSON, one object per line
    #[arg(long, global = true)]
    pub json: bool,
}

/// Parses a time in the notation of the command line.
pub fn time(text: &str) -> Result<Duration, String> {
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => f64::NAN,
    };
    let number = number.parse::<f64>().ok();
    let time = number.and_then(|number| Duration::try_from_secs_f64(number * seconds).ok());
    time.ok_or_else(|| "a time is written like 250ms, 30s, 5m, 2h or 1d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_given_with_or_without_units() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("7", 7_000),
            ("0.5", 500),
            ("1.5s", 1_500),
            ("0", 0),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in
            ["", "s", "5 m", "5x", "1e3", "-1s", "nan", "inf", "1m30s", "9999999999999999999d"]
        {
            assert!(time(text).is_err(), "{text}");
        }
    }
}

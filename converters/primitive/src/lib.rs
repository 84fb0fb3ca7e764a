//! Connect's converters for single values, and the header converter.

mod bytes;
mod charset;
mod guess;
mod header;
mod numbers;
mod string;

use tidegate_api::Plugins;

pub use header::SimpleHeaderConverter;

const VERSION: &str = "4.3.0";

/// Adds all converters of this crate, for keys, values and headers.
pub fn register(plugins: &mut Plugins) {
    string::register(plugins);
    bytes::register(plugins);
    numbers::register(plugins);
    header::register(plugins);
}

//! What of `sql_mode` decides about DDL.

/// The server's bits of `sql_mode`, as events of the binlog carry them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SqlMode(u64);

impl SqlMode {
    const REAL_AS_FLOAT: u64 = 1;
    const ANSI_QUOTES: u64 = 4;
    const ORACLE: u64 = 1 << 9;
    const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

    /// Status variable `Q_SQL_MODE` of a query event.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The variable's text: names with commas between.
    pub fn parse(text: &str) -> Self {
        let bits = text
            .split(',')
            .map(|name| match name.trim().to_ascii_uppercase().as_str() {
                "REAL_AS_FLOAT" => Self::REAL_AS_FLOAT,
                "ANSI_QUOTES" | "DB2" | "MAXDB" | "MSSQL" | "POSTGRESQL" => Self::ANSI_QUOTES,
                "ANSI" => Self::ANSI_QUOTES | Self::REAL_AS_FLOAT,
                "ORACLE" => Self::ANSI_QUOTES | Self::ORACLE,
                "NO_BACKSLASH_ESCAPES" => Self::NO_BACKSLASH_ESCAPES,
                _ => 0,
            });
        Self(bits.fold(0, |all, bit| all | bit))
    }

    pub(crate) const fn real_as_float(self) -> bool {
        self.0 & Self::REAL_AS_FLOAT != 0
    }
    pub(crate) const fn ansi_quotes(self) -> bool {
        self.0 & Self::ANSI_QUOTES != 0
    }
    pub(crate) const fn oracle(self) -> bool {
        self.0 & Self::ORACLE != 0
    }
    pub(crate) const fn no_backslash_escapes(self) -> bool {
        self.0 & Self::NO_BACKSLASH_ESCAPES != 0
    }
}

//! What a definition says about its charset.

/// Collected from `CHARACTER SET` and `COLLATE` clauses of one column, table or database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Charset {
    named: Option<String>,
    /// From a collation.
    implied: Option<String>,
    /// `CHARACTER SET DEFAULT`: the next level decides.
    is_default: bool,
}

impl Charset {
    pub(crate) fn set_charset(&mut self, name: &str) {
        self.is_default = name.eq_ignore_ascii_case("DEFAULT");
        self.named = (!self.is_default).then(|| name.to_ascii_lowercase());
    }

    pub(crate) fn set_collation(&mut self, name: &str) {
        self.is_default |= name.eq_ignore_ascii_case("DEFAULT");
        self.implied = of_collation(name);
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.named.as_deref().or(self.implied.as_deref())
    }

    /// Whether the definition says anything.
    pub(crate) fn is_given(&self) -> bool {
        self.name().is_some() || self.is_default
    }
}

/// `utf8mb4_general_ci` belongs to `utf8mb4`. MariaDB's `uca1400_ai_ci` belongs to whatever Unicode charset is there, and
/// `DEFAULT` to none.
pub(crate) fn of_collation(collation: &str) -> Option<String> {
    let collation = collation.to_ascii_lowercase();
    let charset = collation.split('_').next()?;
    (!matches!(charset, "uca1400" | "default")).then(|| charset.to_owned())
}

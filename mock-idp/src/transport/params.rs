//! Query strings and form bodies, as OAuth 2.0 wants them read: a parameter
//! given twice is an error that someone has to be able to see (RFC 6749
//! section 3.1), and one without a value counts as left out.

use foundation::secret::Secret;

/// The decoded pairs of one query string or form body, in order.
///
/// It has no `Debug`: passwords, codes and tokens pass through it.
#[derive(Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Decodes `application/x-www-form-urlencoded` text.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(
            url::form_urlencoded::parse(encoded)
                .into_owned()
                .collect::<Vec<_>>(),
        )
    }

    /// The first value of `name`; an empty one counts as left out.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Like [`Params::get`], empty where it is left out.
    pub(crate) fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// Like [`Params::text`], for what must not print.
    pub(crate) fn secret(&self, name: &str) -> Secret<String> {
        Secret::new(self.text(name))
    }

    /// Whether one of `names` is given more than once.
    pub(crate) fn repeats(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.0.iter().filter(|(key, _)| key == name).count() > 1)
    }

    /// The pairs whose names are `prefix[NAME]`, as `(NAME, value)`.
    pub(crate) fn indexed<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.0.iter().filter_map(move |(key, value)| {
            let name = key
                .strip_prefix(prefix)?
                .strip_prefix('[')?
                .strip_suffix(']')?;
            Some((name, value.as_str()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_counts_and_a_second_one_is_seen() {
        let params = Params::parse(b"a=1&b=2&a=3");
        assert_eq!(params.get("a"), Some("1"));
        assert!(params.repeats(&["b", "a"]));
        assert!(!params.repeats(&["b"]));
    }

    #[test]
    fn a_parameter_without_a_value_is_left_out() {
        assert_eq!(Params::parse(b"state=&x").get("state"), None);
    }

    #[test]
    fn indexed_names_are_taken_apart() {
        let params = Params::parse(b"r%5Bname%5D=Ada&r[nick]=A&q[name]=no&r[x=no");
        let found: Vec<_> = params.indexed("r").collect();
        assert_eq!(found, [("name", "Ada"), ("nick", "A")]);
    }
}

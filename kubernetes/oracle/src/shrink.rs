//! Of a question on which two disagree, the smallest that still shows it: a
//! thing is taken out, both are asked again, and what they still disagree on is
//! where to go on from.

use serde_json::Value;

/// What can be made smaller by taking one thing out of it.
pub trait Smaller: Sized {
    /// All that come of it, those with most taken out first.
    fn smaller(&self) -> Vec<Self>;
}

/// One that is no larger than `found`, still is one of those that `disagree`
/// picks out, and is none any more with one more thing taken out.
///
/// All that come of one step are handed to `disagree` together, since asking
/// means starting a program.
///
/// # Errors
/// Those of `disagree`.
pub fn smallest<T: Smaller, E>(
    mut found: T,
    mut disagree: impl FnMut(&[T]) -> Result<Vec<bool>, E>,
) -> Result<T, E> {
    loop {
        let smaller = found.smaller();
        let disagreed = disagree(&smaller)?;
        let next = smaller.into_iter().zip(disagreed).find(|(_, still)| *still);
        match next {
            Some((next, _)) => found = next,
            None => return Ok(found),
        }
    }
}

/// As a list of its members or elements.
impl Smaller for Value {
    fn smaller(&self) -> Vec<Self> {
        match self {
            Self::Array(list) => smaller_list(list).into_iter().map(Self::Array).collect(),
            Self::Object(map) => {
                let members: Vec<Member> = map.clone().into_iter().map(Member).collect();
                smaller_list(&members)
                    .into_iter()
                    .map(|members| members.into_iter().map(|member| member.0).collect())
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A member of an object, whose name stays.
#[derive(Clone)]
struct Member((String, Value));

impl Smaller for Member {
    fn smaller(&self) -> Vec<Self> {
        let (name, value) = &self.0;
        let named = |value| Self((name.clone(), value));
        value.smaller().into_iter().map(named).collect()
    }
}

/// Of a longer list nothing is made smaller: with Kubernetes' default policy below it
/// that would be gigabytes.
const LONG: usize = 32;

/// Lists that come of a list: without a half of it, a quarter, an eighth, or one
/// thing; and, where it is not long, with one thing smaller.
impl<T: Smaller + Clone> Smaller for Vec<T> {
    fn smaller(&self) -> Vec<Self> {
        smaller_list(self)
    }
}

fn smaller_list<T: Smaller + Clone>(list: &[T]) -> Vec<Vec<T>> {
    let mut all = Vec::new();
    let mut part = list.len() / 2;
    while part > 1 && part >= list.len() / 8 {
        for (i, _) in list.chunks(part).enumerate() {
            let (first, rest) = list.split_at(i * part);
            all.push([first, &rest[part.min(rest.len())..]].concat());
        }
        part /= 2;
    }
    for i in 0..list.len() {
        let mut less = list.to_vec();
        less.remove(i);
        all.push(less);
    }
    if list.len() > LONG {
        return all;
    }
    for (i, thing) in list.iter().enumerate() {
        for smaller in thing.smaller() {
            let mut other = list.to_vec();
            other[i] = smaller;
            all.push(other);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Deliberately wrong: it finds fault with what holds a 7 and a `x` anywhere.
    fn disagree(values: &[Value]) -> Result<Vec<bool>, ()> {
        let holds = |value: &Value| {
            let text = value.to_string();
            text.contains('7') && text.contains("\"x\"")
        };
        Ok(values.iter().map(holds).collect())
    }

    #[test]
    fn what_is_not_needed_is_taken_out() {
        let found = json!({
            "a": [1, 2, 3, {"deep": [4, 5, 6, 7, 8], "beside": null}, 9],
            "b": {"x": {"y": "z"}, "w": [[[]]]},
            "c": "text",
        });
        let least = json!({"a": [{"deep": [7]}], "b": {"x": {}}});
        assert_eq!(smallest(found, disagree), Ok(least));
    }

    #[test]
    fn what_is_smallest_already_stays() {
        let found = json!([{"x": 7}]);
        assert_eq!(smallest(found.clone(), disagree), Ok(found));
    }

    #[test]
    fn halves_come_before_single_things() {
        let list = vec![json!(1), json!(2), json!(3), json!(4)];
        let smaller = list.smaller();
        assert_eq!(smaller[0], [json!(3), json!(4)]);
        assert_eq!(smaller[2].len(), 3);
    }
}

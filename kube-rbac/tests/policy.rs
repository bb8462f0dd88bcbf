//! Whatever was put in and taken out in which order, and whoever shares it: a
//! policy decides as one that was made of the same objects at once.

use crate::generator::{draw, runner};
use kube_rbac::{
    Attributes, Binding, Object, Policy, PolicyRule, Role, RoleRef, SubjectRef, Target, User,
    decide, rules_for,
};
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

const NAMESPACES: [Option<&str>; 4] = [None, Some("dev"), Some("prod"), Some("test")];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const VERBS: [&str; 3] = ["get", "list", "watch"];

/// Kind, namespace and name.
type Key = (&'static str, Option<&'static str>, &'static str);

#[test]
fn copies_go_their_own_ways() {
    let mut dice = runner(1);
    let mut copies = vec![(Policy::new(), BTreeMap::<Key, Object>::new())];
    for step in 0..6_000 {
        let at = draw(&mut dice, &(0..copies.len()));
        match draw(&mut dice, &(0..60)) {
            0 if copies.len() < 4 => copies.push(copies[at].clone()),
            1 if copies.len() > 1 => drop(copies.swap_remove(at)),
            _ => change(&mut copies[at], &mut dice),
        }
        if step % 20 == 0 {
            for (policy, objects) in &copies {
                same(policy, &objects.values().cloned().collect(), step);
            }
        }
    }
}

/// What is emptied is as if nothing had ever been in it.
#[test]
fn nothing_is_left_of_what_is_taken_out() {
    let mut dice = runner(2);
    let mut made = (Policy::new(), BTreeMap::new());
    for _ in 0..500 {
        change(&mut made, &mut dice);
    }
    let (mut policy, objects) = made;
    assert!(objects.len() > 10);
    for (kind, namespace, name) in objects.into_keys() {
        let taken = match kind {
            "role" => policy.remove_role(namespace, name).is_some(),
            _ => policy.remove_binding(namespace, name).is_some(),
        };
        assert!(taken, "{kind} {namespace:?} {name}");
        assert!(policy.remove_role(namespace, "unknown").is_none());
    }
    // Debug shows the inside.
    assert_eq!(format!("{policy:?}"), format!("{:?}", Policy::new()));
}

fn change((policy, objects): &mut (Policy, BTreeMap<Key, Object>), dice: &mut TestRunner) {
    let namespace = draw(dice, &select(&NAMESPACES[..]));
    let name = draw(dice, &select(&NAMES[..]));
    let kind = draw(dice, &select(&["role", "binding"][..]));
    if draw(dice, &(0..3)) == 0 {
        let known = objects.remove(&(kind, namespace, name));
        let taken = match kind {
            "role" => policy
                .remove_role(namespace, name)
                .map(|r| Object::Role((*r).clone())),
            _ => policy
                .remove_binding(namespace, name)
                .map(|b| Object::Binding((*b).clone())),
        };
        assert_eq!(taken, known);
        return;
    }
    let object = match kind {
        "role" => Object::Role(role(namespace, name, dice)),
        _ => Object::Binding(binding(namespace, name, dice)),
    };
    policy.put(object.clone());
    objects.insert((kind, namespace, name), object);
}

fn role(namespace: Option<&str>, name: &str, dice: &mut TestRunner) -> Role {
    let rules = (0..draw(dice, &(0..3))).map(|_| PolicyRule {
        verbs: vec![draw(dice, &select(&VERBS[..])).to_owned()],
        api_groups: vec![String::new()],
        resources: vec!["pods".to_owned()],
        ..PolicyRule::default()
    });
    Role {
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
        rules: rules.collect(),
        ..Role::default()
    }
}

fn binding(namespace: Option<&str>, name: &str, dice: &mut TestRunner) -> Binding {
    let subjects = (0..draw(dice, &(0..4))).map(|_| {
        let name = draw(dice, &select(&NAMES[..]));
        match draw(dice, &(0..5)) {
            0 => SubjectRef::user(name),
            1 => SubjectRef::service_account("dev", name),
            2 => SubjectRef::service_account("", name),
            3 => SubjectRef {
                kind: "Robot".into(),
                ..SubjectRef::user(name)
            },
            _ => SubjectRef::group(name),
        }
    });
    let subjects = subjects.collect();
    let role_ref = match draw(dice, &(0..7)) {
        0 => RoleRef {
            kind: "Duty".into(),
            ..RoleRef::role(draw(dice, &select(&NAMES[..])))
        },
        1..4 => RoleRef::role(draw(dice, &select(&NAMES[..]))),
        _ => RoleRef::cluster_role(draw(dice, &select(&NAMES[..]))),
    };
    Binding {
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
        subjects,
        role_ref,
        ..Binding::default()
    }
}

fn same(policy: &Policy, fresh: &Policy, step: usize) {
    assert_eq!(policy, fresh, "step {step}");
    let groups: Vec<String> = NAMES.map(str::to_owned).to_vec();
    for user in NAMES.iter().map(|name| (*name).to_owned()).chain(
        NAMES
            .iter()
            .map(|name| format!("system:serviceaccount:dev:{name}")),
    ) {
        for groups in [&groups[..0], &groups[..1], &groups[1..]] {
            let user = User {
                name: &user,
                groups,
            };
            for namespace in ["", "dev", "prod"] {
                assert_eq!(
                    rules_for(policy, &user, namespace),
                    rules_for(fresh, &user, namespace),
                    "step {step}: {user:?} in {namespace:?}"
                );
                for verb in VERBS {
                    let request = Attributes {
                        user,
                        verb,
                        target: Target::Resource {
                            api_group: "",
                            resource: "pods",
                            subresource: "",
                            name: "",
                            namespace,
                        },
                    };
                    let (found, expected) = (decide(policy, &request), decide(fresh, &request));
                    assert_eq!(found, expected, "step {step}: {request:?}");
                }
            }
        }
    }
}

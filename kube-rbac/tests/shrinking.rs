//! What the comparison with Kubernetes does with a question on which the answers
//! differ, shown with answers that are deliberately wrong.

use crate::generator::{draw, made, objects, request, runner};
use crate::question::Question;
use kube_rbac::{OwnedTarget, Version};
use serde_json::{Value, json};

/// Gives every question its right answer, in Kubernetes' place.
fn right(questions: &[Question]) -> Result<Vec<Option<Value>>, String> {
    Ok(questions.iter().map(|q| q.ours(Version::V1_37)).collect())
}

/// Wrong: it does not look at the names of resources.
fn without_names(question: &Question) -> Option<Value> {
    let mut question = question.clone();
    let objects = question.objects.as_array_mut()?.iter_mut();
    for rule in objects.filter_map(|o| o["rules"].as_array_mut()).flatten() {
        rule.as_object_mut()?.shift_remove("resourceNames");
    }
    question.ours(Version::V1_37)
}

#[test]
fn a_wrong_decision_about_a_name_comes_down_to_one_binding_and_one_rule() {
    let mut runner = runner(1);
    let found = std::iter::repeat_with(|| {
        let made = draw(&mut runner, &made());
        let asked = draw(&mut runner, &request(&made.policy(Version::V1_37)));
        let mut ask = json!({
            "user": {"name": asked.user.name, "groups": asked.user.groups}, "verb": asked.verb,
        });
        if let OwnedTarget::Resource {
            api_group,
            resource,
            subresource,
            name,
            namespace,
        } = asked.target
        {
            ask["apiGroup"] = api_group.into();
            ask["resource"] = resource.into();
            ask["subresource"] = subresource.into();
            ask["name"] = name.into();
            ask["namespace"] = namespace.into();
        }
        let objects = made.to_json(Version::V1_37).into();
        Question { objects, ask }
    })
    .find(|question| without_names(question) != question.ours(Version::V1_37))
    .expect("some question is about a name");
    assert!(found.objects.as_array().is_some_and(|all| all.len() > 10));

    let least = found.smallest(right, without_names).expect("nothing fails");
    let objects = least.objects.as_array().expect("a list");
    let [role, binding] = &objects[..] else {
        panic!("a role and a binding are left: {least:?}")
    };
    assert_eq!(role["rules"].as_array().map(Vec::len), Some(1), "{role}");
    assert_eq!(
        role["rules"][0]["resourceNames"].as_array().map(Vec::len),
        Some(1),
        "{role}"
    );
    assert_eq!(
        binding["subjects"].as_array().map(Vec::len),
        Some(1),
        "{binding}"
    );
}

#[test]
fn a_wrong_fault_comes_down_to_the_field_that_it_is_about() {
    // Wrong: it finds no fault with finalizers.
    let wrong = |question: &Question| {
        let mut answer = question.ours(Version::V1_37)?;
        let errors = answer.get_mut("errors").and_then(Value::as_array_mut);
        errors.into_iter().for_each(|errors| {
            errors.retain(|e| !e.as_str().is_some_and(|e| e.contains("finalizers")));
        });
        Some(answer)
    };
    let mut runner = runner(1);
    let found = std::iter::repeat_with(|| {
        let (new, old) = draw(&mut runner, &objects::case());
        let mut ask = json!({"validate": new});
        if let Some(old) = old {
            ask["old"] = old;
        }
        Question {
            objects: Value::Null,
            ask,
        }
    })
    .find(|question| wrong(question) != question.ours(Version::V1_37))
    .expect("some object has faulty finalizers");
    let least = found.smallest(right, wrong).expect("nothing fails");
    let object = &least.ask["validate"];
    assert_eq!(
        object.as_object().map(serde_json::Map::len),
        Some(2),
        "{object}"
    );
    assert!(
        object["metadata"]["finalizers"].as_array().is_some(),
        "{object}"
    );
    assert_eq!(
        object["metadata"].as_object().map(serde_json::Map::len),
        Some(1),
        "{object}"
    );
}

//! `CONFIG SET`: several parameters at once, all of them or none.

use super::error::{ConfigSetError, SetRefusal};
use super::{Config, Host, Param, Spec, Value};

/// Under what circumstances parameters are set.
pub struct SetContext<'a> {
    /// Whether this client may set protected parameters; see [`super::choices::ProtectedAction::allows`].
    pub protected_allowed: bool,
    /// Whether the data set is being loaded.
    pub loading: bool,
    /// The machine, whose working directory a parameter changes.
    pub host: &'a mut dyn Host,
}

/// What `CONFIG SET` did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeSet {
    /// The parameters that the server has to put into effect.
    pub changed: Vec<Param>,
    /// The value before, of every parameter that was named.
    before: Vec<(Param, Value)>,
}

impl ChangeSet {
    /// Whether a parameter has to be put into effect.
    pub fn contains(&self, param: Param) -> bool {
        self.changed.contains(&param)
    }
}

impl Config {
    /// Sets parameters in the given order. On an error nothing is changed. The caller puts [`ChangeSet::changed`] into
    /// effect, and where it fails calls [`Config::undo`] and answers [`ConfigSetError::apply`].
    pub fn set_many(
        &mut self,
        pairs: &[(&[u8], &[u8])],
        context: &mut SetContext<'_>,
    ) -> Result<ChangeSet, ConfigSetError> {
        let mut found: Vec<(Param, &'static str)> = Vec::with_capacity(pairs.len());
        for (name, _) in pairs {
            found.push(find_settable(name, &found, context)?);
        }
        let mut changes = ChangeSet::default();
        for ((param, name), (_, value)) in found.into_iter().zip(pairs) {
            changes.before.push((param, self.value(param).clone()));
            let words = words_of(Spec::of(param), value);
            if let Err(error) = self.assign(param, &words, context.host) {
                self.undo(&changes, context.host);
                return Err(ConfigSetError::Refused {
                    name: name.into(),
                    reason: SetRefusal::Value(error),
                });
            }
        }
        changes.changed = self.changed_since(&changes.before);
        Ok(changes)
    }

    /// Takes back what [`Config::set_many`] did.
    pub fn undo(&mut self, changes: &ChangeSet, host: &mut dyn Host) {
        for (param, value) in changes.before.iter().rev() {
            if let (Param::Dir, Value::Text(Some(dir))) = (*param, value) {
                // The directory was there a moment ago; should it be gone, there is no better place to go.
                let _ = host.change_dir(super::path_of(dir));
            }
            self.put(*param, value.clone());
        }
    }

    fn changed_since(&self, before: &[(Param, Value)]) -> Vec<Param> {
        let mut changed = Vec::with_capacity(before.len());
        for (param, value) in before {
            let differs = self.value(*param) != value || Spec::of(*param).volatile;
            if differs && !changed.contains(param) {
                changed.push(*param);
            }
        }
        changed
    }
}

/// Finds a parameter that may be set now. An alias does not count as a repetition of its other name.
fn find_settable(
    name: &[u8],
    earlier: &[(Param, &'static str)],
    context: &SetContext<'_>,
) -> Result<(Param, &'static str), ConfigSetError> {
    let refuse = |reason| {
        Err(ConfigSetError::Refused {
            name: name.to_vec(),
            reason,
        })
    };
    let Some((param, known)) = Spec::find(name) else {
        return Err(ConfigSetError::Unknown(name.to_vec()));
    };
    let spec = Spec::of(param);
    if spec.immutable {
        return refuse(SetRefusal::Immutable);
    }
    if spec.protected && !context.protected_allowed {
        return refuse(SetRefusal::Protected);
    }
    if spec.deny_loading && context.loading {
        return Err(ConfigSetError::Loading);
    }
    if earlier.iter().any(|(_, earlier)| *earlier == known) {
        return refuse(SetRefusal::Duplicate);
    }
    Ok((param, known))
}

/// A parameter of many words has them between single spaces, without quoting.
fn words_of<'a>(spec: &Spec, value: &'a [u8]) -> Vec<&'a [u8]> {
    match (spec.takes_many_words(), value.is_empty()) {
        (false, _) => vec![value],
        (true, true) => Vec::new(),
        (true, false) => value.split(|&byte| byte == b' ').collect(),
    }
}

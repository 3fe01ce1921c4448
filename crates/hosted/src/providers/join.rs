//! Several `providers.ron` as one, by whose they are.
//!
//! The user's own files say who is asked, where, with which key, at which price and within which limits; of each field, the
//! nearest that has it counts. A file that lies beside a graph came along with it, from whoever made it: it may make limits
//! tighter, and nothing else. Else a folder from elsewhere could send a key to its maker, or make a dear call look cheap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::{Fallback, OnUnclear, Policy, Provider, ProvidersError, ProvidersFile, Spend, UnknownPrices, shipped_file};

/// Asked for each step of a plan.
static BUILT_IN: LazyLock<BTreeMap<String, Provider>> = LazyLock::new(super::shipped);

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// It is in one of the user's own folders.
    User,
    /// It is beside a graph or above it.
    Graph,
}

/// All that holds at one place, from several files.
#[derive(Clone, Debug)]
pub struct Providers {
    pub by_name: BTreeMap<String, Provider>,
    pub spend: Spend,
    /// The file that sets the limits, for messages.
    pub spend_file: String,
    pub policy: Policy,
    /// What files beside the graph say and may not, which does no harm to leave out.
    pub left_out: Vec<String>,
}

impl Providers {
    /// Joins files, the nearest first, with what is built in. `own` is where the user's own file is or would be.
    ///
    /// Fails if a file beside a graph says where requests or keys go.
    pub fn join(files: Vec<(String, Whose, ProvidersFile)>, own: &str) -> Result<Providers, ProvidersError> {
        let built_in = shipped_file();
        let mut providers = Providers {
            by_name: built_in.providers,
            spend: built_in.spend.unwrap_or_default(),
            spend_file: own.to_owned(),
            policy: Policy::built_in(),
            left_out: Vec::new(),
        };
        let (users, graphs): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, whose, _)| *whose == Whose::User);
        for (path, _, file) in users.into_iter().rev() {
            providers.by_name.extend(file.providers);
            for (name, keys) in file.keys {
                let provider = providers.by_name.get_mut(&name).ok_or_else(|| ProvidersError {
                    path: path.clone(),
                    mistakes: vec![format!("`keys`: `{name}` is no provider")],
                })?;
                provider.keys = keys;
            }
            if let Some(spend) = file.spend {
                replace_spend(&mut providers.spend, spend);
                providers.spend_file = path;
            }
            replace_policy(&mut providers.policy, file.policy.unwrap_or_default());
        }
        for (path, _, file) in graphs.into_iter().rev() {
            providers.add_of_graph(path, file, own)?;
        }
        Ok(providers)
    }

    /// What a name stands for here: the names that providers know the model by, but for its own and those that are built in; none
    /// if there are no others.
    ///
    /// So one more provider of the same model changes nothing, and one whose model was put in its place does.
    pub fn meaning(&self, model: &str) -> Option<String> {
        let names = |providers: &BTreeMap<String, Provider>| -> BTreeSet<String> {
            let offers = providers.values().filter_map(|provider| provider.models.get(model));
            offers.flat_map(|offer| [Some(offer.name.clone()), offer.edit.clone()]).flatten().collect()
        };
        let mut names_here = names(&self.by_name);
        names_here.remove(model);
        let others: Vec<String> = names_here.difference(&names(&BUILT_IN)).cloned().collect();
        (!others.is_empty()).then(|| others.join(", "))
    }

    fn add_of_graph(&mut self, path: String, file: ProvidersFile, own: &str) -> Result<(), ProvidersError> {
        let mut mistakes = Vec::new();
        // What is built in is no change, whatever the user put in its place: the file lies beside the graphs of the source.
        for (name, said) in file.providers.iter().filter(|(name, said)| BUILT_IN.get(*name) != Some(*said)) {
            let known = self.by_name.get(name);
            let differs = |is_same: fn(&Provider, &Provider) -> bool| known.is_none_or(|known| !is_same(known, said));
            let fields = [
                ("api", differs(|a, b| a.api == b.api)),
                ("base", differs(|a, b| a.base == b.base)),
                ("uploads", differs(|a, b| a.uploads == b.uploads)),
                ("hosts", differs(|a, b| a.hosts == b.hosts)),
                ("keys", differs(|a, b| a.keys == b.keys)),
            ];
            let changed: Vec<String> =
                fields.iter().filter(|(_, differs)| *differs).map(|(field, _)| format!("`{field}`")).collect();
            if !changed.is_empty() {
                mistakes.push(format!(
                    "`{name}`: {} would decide where your requests and keys go, which a file beside a graph may not: if you \
                     trust it, put this provider into {own}",
                    changed.join(", ")
                ));
            } else if known.is_some_and(|known| known != said) {
                self.left_out.push(format!(
                    "what is said of `{name}` beside the graph is left out, because prices are yours to say; to use it, put it into {own}: \
                     {path}"
                ));
            }
        }
        if !file.keys.is_empty() {
            mistakes
                .push(format!("`keys` would decide which of your keys are used: if you trust it, put it into {own}"));
        }
        if !mistakes.is_empty() {
            return Err(ProvidersError { path, mistakes });
        }
        if let Some(spend) = file.spend
            && tighten_spend(&mut self.spend, spend)
        {
            self.spend_file = path;
        }
        tighten_policy(&mut self.policy, &file.policy.unwrap_or_default());
        Ok(())
    }
}

fn replace_spend(spend: &mut Spend, by: Spend) {
    let Spend { call, run, day, providers, calls_a_day, unknown_prices } = by;
    spend.call = call.or(spend.call);
    spend.run = run.or(spend.run);
    spend.day = day.or(spend.day);
    spend.calls_a_day = calls_a_day.or(spend.calls_a_day);
    spend.unknown_prices = unknown_prices.or(spend.unknown_prices);
    spend.providers.extend(providers);
}

fn replace_policy(policy: &mut Policy, by: Policy) {
    *policy = Policy {
        on_unclear: by.on_unclear.or(policy.on_unclear),
        max_wait_s: by.max_wait_s.or(policy.max_wait_s),
        deadline_s: by.deadline_s.or(policy.deadline_s),
        on_deadline: by.on_deadline.or(policy.on_deadline),
        fallback: by.fallback.or(policy.fallback),
    };
}

/// Makes a limit tighter, and says whether it did.
fn tighten<T: PartialOrd + Copy>(limit: &mut Option<T>, by: Option<T>) -> bool {
    let is_tighter = by.is_some_and(|by| limit.is_none_or(|limit| by < limit));
    if is_tighter {
        *limit = by;
    }
    is_tighter
}

fn tighten_spend(spend: &mut Spend, by: Spend) -> bool {
    let mut is_tighter = tighten(&mut spend.call, by.call);
    is_tighter |= tighten(&mut spend.run, by.run);
    is_tighter |= tighten(&mut spend.day, by.day);
    is_tighter |= tighten(&mut spend.calls_a_day, by.calls_a_day);
    for (provider, limit) in by.providers {
        let mut own = spend.providers.get(&provider).copied();
        is_tighter |= tighten(&mut own, Some(limit));
        spend.providers.extend(own.map(|own| (provider, own)));
    }
    if by.unknown_prices == Some(UnknownPrices::Refuse)
        && !matches!(spend.unknown_prices, None | Some(UnknownPrices::Refuse))
    {
        spend.unknown_prices = by.unknown_prices;
        is_tighter = true;
    }
    is_tighter
}

fn tighten_policy(policy: &mut Policy, by: &Policy) {
    if by.on_unclear == Some(OnUnclear::Stop) {
        policy.on_unclear = by.on_unclear;
    }
    if by.fallback == Some(Fallback::Never) {
        policy.fallback = by.fallback;
    }
    tighten(&mut policy.max_wait_s, by.max_wait_s);
    tighten(&mut policy.deadline_s, by.deadline_s);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{KeyPlace, read};

    fn joined(files: &[(&str, Whose, &str)]) -> Result<Providers, String> {
        let files = files.iter().map(|(path, whose, text)| ((*path).to_owned(), *whose, read(text, path).unwrap()));
        Providers::join(files.collect(), "~/.config/rondel/providers.ron").map_err(|error| error.to_string())
    }

    const FAL: &str = r#"Providers(format: 1, providers: {"fal": (api: Fal, base: "BASE", models: {})})"#;

    #[test]
    fn what_is_built_in_can_be_read() {
        let providers = joined(&[]).unwrap();
        let names: Vec<&str> = providers.by_name.keys().map(String::as_str).collect();
        assert_eq!(names, ["bfl", "fal", "lumenfall", "openai", "replicate", "together"]);
        assert_eq!((providers.spend.run, providers.spend.day), (Some(1.0), Some(5.0)));
    }

    #[test]
    fn of_each_field_the_users_nearest_file_counts() {
        let joined = joined(&[
            ("near", Whose::User, "Providers(format: 1, spend: (call: 0.1), policy: (on_unclear: ResendOnce))"),
            (
                "far",
                Whose::User,
                &FAL.replace("BASE", "http://localhost:1").replace("format: 1", "format: 1, spend: (call: 9, run: 2)"),
            ),
        ])
        .unwrap();
        // What a file leaves out is as it was, and not without a limit.
        assert_eq!((joined.spend.call, joined.spend.run, joined.spend.day), (Some(0.1), Some(2.0), Some(5.0)));
        assert_eq!((joined.by_name["fal"].base.as_str(), &*joined.spend_file), ("http://localhost:1", "near"));
        assert_eq!(
            (joined.policy.on_unclear, joined.policy.fallback),
            (Some(OnUnclear::ResendOnce), Some(Fallback::SameModel))
        );
    }

    #[test]
    fn a_name_stands_for_something_else_where_a_provider_was_told_so() {
        let with = |provider: &str, name: &str| {
            let file = format!(
                "Providers(format: 1, providers: {{\"{provider}\": (api: OpenAi, base: \"http://localhost:1\", models: {{
                    \"flux.2-dev\": (name: \"{name}\", sides: (64, 2048), price: Unknown)}})}})"
            );
            joined(&[("user", Whose::User, &file)]).unwrap().meaning("flux.2-dev")
        };
        assert_eq!(joined(&[]).unwrap().meaning("flux.2-dev"), None);
        // One more that has it, by a name that it is known by.
        assert_eq!([with("mine", "flux.2-dev"), with("mine", "fal-ai/flux-2")], [None, None]);
        assert_eq!(with("mine", "me/my-tune"), Some("me/my-tune".to_owned()));
        assert_eq!(with("fal", "fal-ai/flux-2-lora"), Some("fal-ai/flux-2-lora".to_owned()));
    }

    #[test]
    fn a_file_beside_a_graph_only_tightens() {
        let user = "Providers(format: 1, spend: (day: 2, providers: {\"fal\": 1}))";
        let graph = r#"Providers(format: 1, spend: (call: 0.1, run: 50, day: 50, providers: {"fal": 9, "bfl": 1}, unknown_prices: Allow),
            policy: (on_unclear: ResendOnce, deadline_s: 9999, fallback: Never))"#;
        let joined = joined(&[("graph", Whose::Graph, graph), ("user", Whose::User, user)]).unwrap();
        let Spend { call, run, day, providers, unknown_prices, .. } = joined.spend;
        assert_eq!((call, run, day, unknown_prices), (Some(0.1), Some(1.0), Some(2.0), None));
        assert_eq!(providers, BTreeMap::from([("fal".to_owned(), 1.0), ("bfl".to_owned(), 1.0)]));
        let Policy { on_unclear, deadline_s, fallback, .. } = joined.policy;
        assert_eq!((on_unclear, deadline_s, fallback), (Some(OnUnclear::Stop), Some(300), Some(Fallback::Never)));
        let nothing = super::tests::joined(&[("graph", Whose::Graph, "Providers(format: 1, spend: ())")]).unwrap();
        assert_eq!((nothing.spend.run, nothing.spend.day), (Some(1.0), Some(5.0)));
    }

    #[test]
    fn a_file_beside_a_graph_sends_no_key_anywhere() {
        let error = joined(&[("graph", Whose::Graph, &FAL.replace("BASE", "https://evil.example"))]).unwrap_err();
        assert_eq!(
            error,
            "`fal`: `base`, `uploads`, `keys` would decide where your requests and keys go, which a file beside a graph \
             may not: if you trust it, put this provider into ~/.config/rondel/providers.ron: graph"
        );
        // Nor does it make a dear call look cheap.
        let shipped = include_str!("../../../../graphs/providers.ron");
        let cheap = shipped.replacen("Megapixels(output: 0.012", "Megapixels(output: 0.0", 1);
        assert_ne!(cheap, shipped);
        let joined = joined(&[("graph", Whose::Graph, &cheap)]).unwrap();
        assert_eq!(joined.by_name, crate::providers::shipped());
        assert_eq!(joined.left_out.len(), 1);
        // What says what is known is no change.
        assert!(super::tests::joined(&[("graph", Whose::Graph, shipped)]).unwrap().left_out.is_empty());
    }

    #[test]
    fn places_of_keys_are_the_users_to_say() {
        let keys = r#"Providers(format: 1, keys: {"fal": [Keyring("rondel", "fal")]})"#;
        let join = |whose| {
            let file = read(keys, "providers.ron").unwrap();
            Providers::join(vec![("providers.ron".to_owned(), whose, file)], "own.ron")
        };
        let keyring = KeyPlace::Keyring("rondel".to_owned(), "fal".to_owned());
        assert_eq!(join(Whose::User).unwrap().by_name["fal"].keys, [keyring]);
        let refused = join(Whose::Graph).unwrap_err().to_string();
        assert!(refused.starts_with("`keys` would decide which of your keys are used"), "{refused}");
        let nobody = read(&keys.replace("fal", "nobody"), "providers.ron").unwrap();
        let unknown = Providers::join(vec![("x.ron".to_owned(), Whose::User, nobody)], "own.ron").unwrap_err();
        assert_eq!(unknown.to_string(), "`keys`: `nobody` is no provider: x.ron");
    }

    #[test]
    fn the_built_in_file_beside_a_graph_changes_nothing_that_the_user_said() {
        let own = r#"Providers(format: 1, keys: {"fal": [Keyring("rondel", "fal")]})"#;
        let files = vec![
            ("graphs/providers.ron".to_owned(), Whose::Graph, shipped_file()),
            ("own.ron".to_owned(), Whose::User, read(own, "own.ron").unwrap()),
        ];
        let joined = Providers::join(files, "own.ron").unwrap();
        assert_eq!(joined.by_name["fal"].keys, [KeyPlace::Keyring("rondel".to_owned(), "fal".to_owned())]);
        assert!(joined.left_out.is_empty());
    }
}

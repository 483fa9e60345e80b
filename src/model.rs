//! Model checking of the pure cores: the rules hold in every execution that the bounds of a model
//! allow, and each mutant of them is noticed.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

/// Explores every execution of the models, and fails with a trace where a property does not hold.
pub(crate) fn check_all<M>(models: impl IntoIterator<Item = (&'static str, M)>)
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Debug + Clone + PartialEq,
{
    for (name, model) in models {
        let checker = model.checker().threads(2).spawn_bfs().join();
        let (states, depth) = (checker.unique_state_count(), checker.max_depth());
        println!("{name}: {states} states, {depth} steps deep");
        checker.assert_properties();
    }
}

/// In which order executions are explored until a property does not hold.
#[derive(Clone, Copy)]
pub(crate) enum Search {
    /// The shortest ones first.
    BreadthFirst,
    /// One to its end before the next, which is faster where many executions break the property.
    DepthFirst,
}

/// Fails for a mutant if every property still holds in its model.
pub(crate) fn catch_all<M, X: Debug>(search: Search, mutants: impl IntoIterator<Item = (X, M)>)
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Debug + Clone + PartialEq,
{
    for (mutant, model) in mutants {
        let checker = model.checker().finish_when(HasDiscoveries::AnyFailures);
        let broken = match search {
            Search::BreadthFirst => broken(checker.spawn_bfs().join()),
            Search::DepthFirst => broken(checker.spawn_dfs().join()),
        };
        println!("{mutant:?}: {broken:?}");
        assert!(!broken.is_empty(), "nothing goes wrong with {mutant:?}");
    }
}

/// The properties that do not hold.
fn broken<M: Model>(checker: impl Checker<M>) -> Vec<&'static str>
where
    M::State: Clone + PartialEq + Debug + Hash,
    M::Action: Clone + PartialEq + Debug,
{
    let mut names: Vec<_> = checker.discoveries().into_keys().collect();
    names.retain(|name| checker.model().property(name).expectation.discovery_is_failure());
    names
}

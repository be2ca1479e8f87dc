//! The macros that make a component of a rule. Natively they only check that it is one.

/// Exports a [`crate::Mapping`] as a plugin: once in a crate, where its library begins or ends.
///
/// ```
/// # use provisor_sdk::prelude::*;
/// # struct Title(Text, Target);
/// # impl Mapping for Title {
/// #     type Config = NoConfig;
/// #     fn configure(_: NoConfig, contract: &mut MappingContract) -> Result<Self, String> {
/// #         Ok(Self(contract.text("title"), contract.write("title")))
/// #     }
/// #     fn map(&self, _: &Entry, _: &mut Resource) -> Result<(), Refusal> { Ok(()) }
/// # }
/// provisor_sdk::export_mapping!(Title);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_mapping {
    ($mapping:ty) => {
        $crate::__check!($crate::Mapping, $mapping);
        $crate::__once!();
        $crate::__export!("mapping-plugin", $crate::Mapping, $mapping, { mapping: $mapping });
    };
}

/// Exports a [`crate::Filter`] as a plugin: once in a crate, where its library begins or ends.
#[macro_export]
macro_rules! export_filter {
    ($filter:ty) => {
        $crate::__check!($crate::Filter, $filter);
        $crate::__once!();
        $crate::__export!("filter-plugin", $crate::Filter, $filter, { filter: $filter });
    };
}

/// Exports a [`crate::Filter`] and a [`crate::Mapping`] as one plugin. Both are given the whole configuration; its schema
/// is made from the mapping's settings. A half that the settings have no use for says so by `unused` of its contract.
#[macro_export]
macro_rules! export_filter_and_mapping {
    ($filter:ty, $mapping:ty) => {
        $crate::__check!($crate::Filter, $filter);
        $crate::__check!($crate::Mapping, $mapping);
        $crate::__once!();
        $crate::__export!("filter-and-mapping-plugin", $crate::Mapping, $mapping, { filter: $filter, mapping: $mapping });
    };
}

/// Refuses what is exported as something that it is not, in native builds too.
#[doc(hidden)]
#[macro_export]
macro_rules! __check {
    ($trait:path, $rule:ty) => {
        const _: () = {
            const fn is<R: $trait>() {}
            is::<$rule>()
        };
    };
}

/// Refuses a second plugin in the same crate by a name that says so.
#[doc(hidden)]
#[macro_export]
macro_rules! __once {
    () => {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code)]
        struct this_crate_exports_a_plugin_already;
    };
}

/// The component's glue for one world: the settings of `$described`, as a `$trait`, describe the configuration.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($world:literal, $trait:path, $described:ty, { $($kind:ident: $rule:ty),+ }) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs, reason = "the component's entry points are generated")]
        const _: () = {
            mod world {
                $crate::__bindings!($world);
            }
            use $crate::runtime;
            use world::exports::provisor::rules as exports;

            struct Plugin;

            // One instance, one thread, one configuration.
            $crate::__slots!($($kind: $rule),+);

            impl exports::lifecycle::Guest for Plugin {
                fn describe() -> $crate::bindings::Manifest {
                    runtime::manifest::<<$described as $trait>::Config>(
                        env!("CARGO_PKG_NAME"),
                        env!("CARGO_PKG_VERSION"),
                        env!("CARGO_PKG_DESCRIPTION"),
                    )
                }

                fn configure(document: String) -> Result<(), String> {
                    runtime::report_panics();
                    $($crate::__configure!($kind, $rule, document);)+
                    Ok(())
                }

                fn summary() -> Option<String> {
                    runtime::summaries([$($crate::__summary!($kind)),+])
                }
            }

            $($crate::__implement!($kind, $rule);)+

            world::export!(Plugin with_types_in world);
        };
    };
}

/// Where an instance keeps its configured rules.
#[doc(hidden)]
#[macro_export]
macro_rules! __slots {
    (filter: $filter:ty) => {
        thread_local! {
            static FILTER: std::cell::OnceCell<runtime::ConfiguredFilter<$filter>> = const { std::cell::OnceCell::new() };
        }
    };
    (mapping: $mapping:ty) => {
        thread_local! {
            static MAPPING: std::cell::OnceCell<runtime::ConfiguredMapping<$mapping>> = const { std::cell::OnceCell::new() };
        }
    };
    (filter: $filter:ty, mapping: $mapping:ty) => {
        $crate::__slots!(filter: $filter);
        $crate::__slots!(mapping: $mapping);
    };
}

/// Configures the rule of one kind.
#[doc(hidden)]
#[macro_export]
macro_rules! __configure {
    (filter, $rule:ty, $document:ident) => {
        let configured = runtime::ConfiguredFilter::<$rule>::new(&$document)?;
        FILTER.with(|slot| slot.set(configured)).map_err(|_| "the plugin is configured already".to_owned())?;
    };
    (mapping, $rule:ty, $document:ident) => {
        let configured = runtime::ConfiguredMapping::<$rule>::new(&$document)?;
        MAPPING.with(|slot| slot.set(configured)).map_err(|_| "the plugin is configured already".to_owned())?;
    };
}

/// What the configured rule of one kind says that it does.
#[doc(hidden)]
#[macro_export]
macro_rules! __summary {
    (filter) => {
        FILTER.with(|slot| slot.get()?.summary())
    };
    (mapping) => {
        MAPPING.with(|slot| slot.get()?.summary())
    };
}

/// The exported interface of one kind.
#[doc(hidden)]
#[macro_export]
macro_rules! __implement {
    (filter, $rule:ty) => {
        impl exports::filter::Guest for Plugin {
            fn describe_contract() -> Option<exports::filter::Contract> {
                FILTER.with(|slot| {
                    let contract = slot.get()?.contract()?;
                    let (object_classes, reads, cycle_time) = contract.parts();
                    Some(exports::filter::Contract { object_classes, reads, cycle_time })
                })
            }

            fn decide(
                cycle_time: Option<i64>,
                entries: $crate::bindings::Values,
            ) -> Result<Vec<exports::filter::Answer>, String> {
                let answers = FILTER.with(|slot| {
                    slot.get().ok_or_else(|| runtime::NOT_CONFIGURED.to_owned())?.run(cycle_time, &entries)
                })?;
                let answer = |answer: runtime::FilterAnswer| exports::filter::Answer {
                    verdict: match answer.verdict {
                        $crate::Verdict::Keep => exports::filter::Verdict::Keep,
                        $crate::Verdict::Drop(reason) => exports::filter::Verdict::Drop(reason),
                        $crate::Verdict::Fail(reason) => exports::filter::Verdict::Failed(reason),
                    },
                    valid_until: answer.valid_until,
                };
                Ok(answers.into_iter().map(answer).collect())
            }
        }
    };
    (mapping, $rule:ty) => {
        impl exports::mapping::Guest for Plugin {
            fn describe_contract() -> Option<exports::mapping::Contract> {
                MAPPING.with(|slot| {
                    let contract = slot.get()?.contract()?;
                    let (object_classes, reads, resource_reads, resource_kind, writes, cycle_time) = contract.parts();
                    Some(exports::mapping::Contract {
                        object_classes,
                        reads,
                        resource_reads,
                        resource_kind,
                        writes,
                        cycle_time,
                    })
                })
            }

            fn transform(
                cycle_time: Option<i64>,
                batch: exports::mapping::Batch,
            ) -> Result<Vec<exports::mapping::Answer>, String> {
                let answers = MAPPING.with(|slot| {
                    let rule = slot.get().ok_or_else(|| runtime::NOT_CONFIGURED.to_owned())?;
                    rule.run(cycle_time, &batch.entries, &batch.built)
                })?;
                let answer = |answer: runtime::MappingAnswer| exports::mapping::Answer {
                    outcome: match answer.outcome {
                        Ok(edits) => exports::mapping::Outcome::Edits(edits),
                        Err($crate::Refusal::Exclude(reason)) => exports::mapping::Outcome::Exclude(reason),
                        Err($crate::Refusal::Fail(reason)) => exports::mapping::Outcome::Failed(reason),
                    },
                    valid_until: answer.valid_until,
                };
                Ok(answers.into_iter().map(answer).collect())
            }
        }
    };
}

//! How large a component is made, counted before anything is compiled: what would cost the compiler or the engine without
//! end is refused here.

use wasmparser::{Parser, Payload, TableInit};

use crate::engine::{MEMORIES, TABLES};
use crate::options::Limits;

/// Core modules and components within the component; interpreters come with some thirty.
const PARTS: usize = 128;
/// How deep parts lie in parts.
const DEPTH: usize = 8;
/// The octets of one function: the compiler's work and memory grow faster than these.
const FUNCTION_OCTETS: usize = 1 << 20;
/// The locals of one function, for the same reason.
const LOCALS: u32 = 10_000;
/// What neither code nor data is: names, debugging information, notes.
const CUSTOM_OCTETS: usize = 32 << 20;
/// Globals, types, imports, exports and segments of the whole.
const ITEMS: u64 = 200_000;

/// What is counted.
#[derive(Default)]
struct Extent {
    parts: usize,
    depth: usize,
    functions: u64,
    custom: usize,
    memories: u64,
    memory: u64,
    tables: u64,
    elements: u64,
    items: u64,
}

/// Counts what the component is made of.
///
/// # Errors
/// A sentence for the operator: what there is too much of, and what to do. What cannot be read is none of it: validation
/// tells.
pub(crate) fn check(bytes: &[u8], limits: &Limits) -> Result<(), String> {
    let mut extent = Extent::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(payload) = payload else { return Ok(()) };
        extent.count(&payload, limits)?;
    }
    Ok(())
}

impl Extent {
    fn count(&mut self, payload: &Payload<'_>, limits: &Limits) -> Result<(), String> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.parts += 1;
                self.depth += 1;
                within(self.parts as u64, PARTS as u64, "modules and components within it", "take it apart")?;
                within(self.depth as u64, DEPTH as u64, "components within each other", "compose it flatter")?;
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::FunctionSection(section) => {
                self.functions += u64::from(section.count());
                within(self.functions, limits.functions.into(), "functions", "make it smaller, or raise functions")?;
            }
            Payload::CodeSectionEntry(body) => {
                let octets = body.range().len();
                within(octets as u64, FUNCTION_OCTETS as u64, "octets in one function", "split the function")?;
                let mut locals = 0_u32;
                for declared in body.get_locals_reader().into_iter().flatten().flatten() {
                    locals = locals.saturating_add(declared.0);
                }
                within(locals.into(), LOCALS.into(), "locals in one function", "split the function")?;
            }
            Payload::CustomSection(section) => {
                self.custom += section.data().len();
                let advice = "strip its debugging information";
                within(self.custom as u64, CUSTOM_OCTETS as u64, "octets of custom sections", advice)?;
            }
            Payload::MemorySection(section) => {
                self.memories += u64::from(section.count());
                within(self.memories, MEMORIES.into(), "memories", "make it of fewer modules")?;
                for memory in section.clone().into_iter().flatten() {
                    let page = 1_u64 << memory.page_size_log2.unwrap_or(16);
                    self.memory = self.memory.saturating_add(memory.initial.saturating_mul(page));
                }
                let advice = "make it need less, or raise memory-mib";
                within(self.memory, limits.memory as u64, "octets of memory at its start", advice)?;
            }
            Payload::TableSection(section) => {
                self.tables += u64::from(section.count());
                within(self.tables, TABLES.into(), "tables", "make it of fewer modules")?;
                for table in section.clone().into_iter().flatten() {
                    self.elements = self.elements.saturating_add(table.ty.initial);
                    self.items += u64::from(matches!(table.init, TableInit::Expr(_)));
                }
                let advice = "make it need fewer, or raise table-elements";
                within(self.elements, limits.table_elements as u64, "table elements at its start", advice)?;
            }
            other => {
                self.items += items(other);
                within(self.items, ITEMS, "types, imports, exports, globals and segments", "make it smaller")?;
            }
        }
        Ok(())
    }
}

/// How many items a section says it has.
fn items(payload: &Payload<'_>) -> u64 {
    u64::from(match payload {
        Payload::TypeSection(section) => section.count(),
        Payload::ImportSection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::ElementSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        Payload::InstanceSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count(),
        Payload::ComponentInstanceSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentTypeSection(section) => section.count(),
        Payload::ComponentCanonicalSection(section) => section.count(),
        Payload::ComponentImportSection(section) => section.count(),
        Payload::ComponentExportSection(section) => section.count(),
        _ => 0,
    })
}

fn within(count: u64, most: u64, what: &str, advice: &str) -> Result<(), String> {
    if count <= most { Ok(()) } else { Err(format!("it has {count} {what}, and {most} are allowed: {advice}")) }
}

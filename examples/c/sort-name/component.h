/* The interface as a C program sees it: the canonical layouts of the types that a mapping uses, written by hand from the WIT. */

#ifndef COMPONENT_H
#define COMPONENT_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef long long s64;
typedef unsigned long size;

/* What the component exports: the interface's name and version, "#", and the function's name. */
#define LIFECYCLE(function) __attribute__((export_name("provisor:rules/lifecycle@0.1.0-draft.2#" function)))
#define MAPPING(function) __attribute__((export_name("provisor:rules/mapping@0.1.0-draft.2#" function)))
/* What the host calls once it has read the result of the function. */
#define AFTER_MAPPING(function) __attribute__((export_name("cabi_post_provisor:rules/mapping@0.1.0-draft.2#" function)))

/* string, list<T>: where it begins and how many elements it has; octets, in the case of a string. */
typedef struct { const char *start; size length; } string;
typedef struct { const void *start; size length; } list;

#define TEXT(literal) ((string){ literal, sizeof(literal) - 1 })
#define LIST(array) ((list){ array, sizeof(array) / sizeof((array)[0]) })

/* types.manifest */
typedef struct { string name, version, configuration_schema; list annotations; } manifest;
typedef struct { string key, value; } annotation;

/* option<string>: 0 is none, 1 some. */
typedef struct { u8 is_some; string value; } optional_string;

/* types.read, types.write */
enum shape { SHAPE_TEXT, SHAPE_TEXTS, SHAPE_BINARY, SHAPE_BINARIES, SHAPE_BOOLEAN, SHAPE_INTEGER, SHAPE_INTEGERS, SHAPE_DECIMAL, SHAPE_UNSENT };
typedef struct { string name; u8 shape; } read_t;
enum apply { APPLY_ALWAYS, APPLY_ON_CREATE };
typedef struct { string name; u8 apply; } write_t;

/* types.reason */
typedef struct { string code, detail; } reason;

/* types.values: four numbers for each span. */
typedef struct { u32 entry, attribute, start, length; } span;

/* mapping.contract, and option<contract>. */
typedef struct {
    list object_classes, reads, resource_reads;
    optional_string resource_kind;
    list writes;
    u8 cycle_time;
} contract;
typedef struct { u8 is_some; contract value; } optional_contract;

/* types.value and types.target-value, as far as this program uses them. A variant is the number of its case, then the
   case's fields at the alignment that the largest case needs: here the eight octets of an s64. */
enum value_case { VALUE_TEXT };
typedef struct { u8 which; union { string text; s64 integer; } as; } value;
enum target_value_case { TARGET_PLAIN };
typedef struct { u8 which; union { value plain; } as; } target_value;

/* types.edit */
typedef struct { u32 attribute; target_value value; } edit;

/* mapping.outcome and mapping.answer */
enum outcome_case { OUTCOME_EDITS, OUTCOME_EXCLUDE, OUTCOME_FAILED };
typedef struct { u8 which; union { list edits; reason why; } as; } outcome;
typedef struct { outcome outcome; struct { u8 is_some; s64 value; } valid_until; } answer;

/* result<_, string> and result<list<answer>, string>: 0 is ok, 1 an error. */
typedef struct { u8 is_error; string error; } done;
typedef struct { u8 is_error; union { list answers; string error; } as; } answers;

/* The layouts are the interface: a mistake shall end the compilation. */
_Static_assert(sizeof(manifest) == 32 && sizeof(read_t) == 12 && sizeof(write_t) == 12, "manifest, read, write");
_Static_assert(sizeof(contract) == 48 && sizeof(optional_contract) == 52, "contract");
_Static_assert(sizeof(value) == 16 && sizeof(target_value) == 24 && sizeof(edit) == 32, "edit");
_Static_assert(sizeof(outcome) == 20 && sizeof(answer) == 40 && sizeof(answers) == 12 && sizeof(done) == 12, "answer");

#endif

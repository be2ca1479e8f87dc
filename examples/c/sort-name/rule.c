/* A mapping in plain C: the display name as "Lovelace, Ada", so that lists of people sort by family name. */

#include "component.h"
#include "memory.h"

/* Places in the contract's reads and writes. */
enum { FAMILY_NAME, GIVEN_NAME, READS };
enum { DISPLAY_NAME };

/* What stands between the names; the configuration may say otherwise. */
static string separator = { ", ", 2 };

LIFECYCLE("describe") manifest *describe(void) {
    static const annotation notes[] = { { { "description", 11 }, { "The display name with the family name first.", 44 } } };
    static manifest told;
    told = (manifest){
        .name = TEXT("sort-name"),
        .version = TEXT("0.1.0"),
        .configuration_schema = TEXT("{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"separator\":"
                                     "{\"type\":\"string\",\"pattern\":\"^[^\\\"\\\\\\\\\\\\p{Cc}]{1,8}$\",\"default\":\", \","
                                     "\"description\":\"What stands between family name and given name.\"}}}"),
        .annotations = LIST(notes),
    };
    return &told;
}

/* The host has checked the document against the schema: an object, and at most one text without quotes and backslashes. */
static int find_separator(string document, string *found) {
    const char *at = document.start, *end = at + document.length;
    size quotes = 0;
    for (; at < end; at++) {
        if (*at != '"') continue;
        quotes++;
        if (quotes == 3) found->start = at + 1;
        if (quotes == 4) found->length = (size)(at - found->start);
    }
    return quotes == 4;
}

LIFECYCLE("configure") done *configure(const char *start, size length) {
    static done result;
    string found;
    if (find_separator((string){ start, length }, &found)) separator = found;
    keep_all();
    return &result;
}

/* None: the settings say enough. */
LIFECYCLE("summary") optional_string *summary(void) {
    static optional_string told;
    return &told;
}

MAPPING("describe-contract") optional_contract *describe_contract(void) {
    static const string classes[] = { { "user", 4 } };
    static const read_t reads[] = { { { "sn", 2 }, SHAPE_TEXT }, { { "givenName", 9 }, SHAPE_TEXT } };
    static const write_t writes[] = { { { "displayName", 11 }, APPLY_ALWAYS } };
    static optional_contract told;
    told = (optional_contract){ 1, { .object_classes = LIST(classes), .reads = LIST(reads), .writes = LIST(writes) } };
    return &told;
}

static string join(string first, string second, string third) {
    char *text = take(first.length + second.length + third.length, 1);
    copy(text, first.start, first.length);
    copy(text + first.length, second.start, second.length);
    copy(text + first.length + second.length, third.start, third.length);
    return (string){ text, first.length + second.length + third.length };
}

/* Nothing is set where a name is missing, so the display name stays as the rules before made it. */
static list edits(const string names[READS]) {
    if (!names[FAMILY_NAME].length || !names[GIVEN_NAME].length) return (list){ 0, 0 };
    edit *set = take(sizeof(edit), _Alignof(edit));
    *set = (edit){
        .attribute = DISPLAY_NAME,
        .value = { TARGET_PLAIN, { { VALUE_TEXT, { join(names[FAMILY_NAME], separator, names[GIVEN_NAME]) } } } },
    };
    return (list){ set, 1 };
}

/* The parameters of `transform`, flat: an optional time, then the values of the entries and of what was built so far. */
MAPPING("transform") answers *transform(u32 has_time, s64 time, u32 count, const u32 *spans, size numbers, const char *octets,
                                        size octet_count, u32 built_count, const u32 *built_spans, size built_numbers,
                                        const char *built_octets, size built_octet_count) {
    static answers result;
    answer *all = take(count * sizeof(answer), _Alignof(answer));
    const span *at = (const span *)spans, *end = at + numbers / 4;
    for (u32 entry = 0; entry < count; entry++) {
        string names[READS] = { { 0, 0 }, { 0, 0 } };
        /* Spans are in the order of the entries; each is within the octets, or the host would have broken the interface. */
        for (; at < end && at->entry == entry; at++) {
            if (at->attribute >= READS || at->start > octet_count || at->length > octet_count - at->start) __builtin_trap();
            names[at->attribute] = (string){ octets + at->start, at->length };
        }
        all[entry] = (answer){ .outcome = { OUTCOME_EDITS, { .edits = edits(names) } } };
    }
    result = (answers){ 0, { { all, count } } };
    return &result;
}

AFTER_MAPPING("transform") void after_transform(answers *result) { give_back(); }

/* A rule that asks its C library for what rules do not have, for the tests of the plugin host: the uid says for what. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../../../../examples/c/sort-name/component.h"

/* What the host passes in; it is never given back, since the tests are short. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size old_length, size alignment, size length) {
    (void)old_length;
    void *taken = length ? realloc(old, length) : (void *)alignment;
    if (!taken) abort();
    return taken;
}

LIFECYCLE("describe") manifest *describe(void) {
    static manifest told;
    told = (manifest){
        .name = TEXT("asking-in-c"),
        .version = TEXT("0.1.0"),
        .configuration_schema = TEXT("{\"type\":\"object\",\"additionalProperties\":false}"),
    };
    return &told;
}

LIFECYCLE("configure") done *configure(const char *start, size length) {
    static done result;
    return &result;
}

LIFECYCLE("summary") optional_string *summary(void) {
    static optional_string told;
    return &told;
}

MAPPING("describe-contract") optional_contract *describe_contract(void) {
    static const string classes[] = { { "user", 4 } };
    static const read_t reads[] = { { { "uid", 3 }, SHAPE_TEXT } };
    static const write_t writes[] = { { { "userName", 8 }, APPLY_ALWAYS }, { { "title", 5 }, APPLY_ALWAYS } };
    static optional_contract told;
    told = (optional_contract){
        1,
        { .object_classes = LIST(classes), .reads = LIST(reads), .resource_kind = { 1, TEXT("User") }, .writes = LIST(writes) },
    };
    return &told;
}

/* What a rule should not ask, and what it is told. */
static void ask(const char *what, char *told, size room) {
    if (!strcmp(what, "random")) {
        unsigned char octets[8] = { 0 };
        int failed = getentropy(octets, sizeof octets);
        snprintf(told, room, "%d %02x%02x%02x%02x", failed, octets[0], octets[1], octets[2], octets[3]);
    } else if (!strcmp(what, "clock")) {
        struct timespec now = { 0 };
        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(told, room, "%lld %lld", (long long)time(0), (long long)now.tv_sec);
    } else if (!strcmp(what, "sleep")) {
        snprintf(told, room, "slept %u", sleep(3600));
    } else if (!strcmp(what, "system")) {
        FILE *file = fopen("/etc/passwd", "r");
        int wrong = errno;
        snprintf(told, room, "%s; %d; %d", file ? "read" : strerror(wrong), getenv("HOME") != 0, getchar());
    } else if (!strcmp(what, "print")) {
        printf("to the\033[31m output\n");
        fprintf(stderr, "to the errors\n");
        fflush(stdout);
        snprintf(told, room, "printed");
    } else if (!strcmp(what, "flood")) {
        for (int number = 0; number < 100000; number++) printf("line %d\n", number);
        fflush(stdout);
        snprintf(told, room, "flooded");
    } else if (!strcmp(what, "panic")) {
        fprintf(stderr, "the guest panics\n");
        abort();
    } else if (!strcmp(what, "exit")) {
        exit(3);
    } else {
        snprintf(told, room, "%s", what);
    }
}

static edit text(u32 attribute, char *text) {
    return (edit){ .attribute = attribute, .value = { TARGET_PLAIN, { { VALUE_TEXT, { { text, strlen(text) } } } } } };
}

MAPPING("transform") answers *transform(u32 has_time, s64 now, u32 count, const u32 *spans, size numbers, const char *octets,
                                        size octet_count, u32 built_count, const u32 *built_spans, size built_numbers,
                                        const char *built_octets, size built_octet_count) {
    static answers result;
    answer *all = calloc(count, sizeof(answer));
    const span *at = (const span *)spans, *end = at + numbers / 4;
    for (u32 entry = 0; entry < count; entry++) {
        char *uid = calloc(1, 1024), *told = calloc(1, 1024);
        if (at < end && at->entry == entry) {
            memcpy(uid, octets + at->start, at->length < 1023 ? at->length : 1023);
            at++;
        }
        ask(uid, told, 1024);
        edit *edits = calloc(2, sizeof(edit));
        edits[0] = text(0, uid);
        edits[1] = text(1, told);
        all[entry].outcome = (outcome){ OUTCOME_EDITS, { .edits = { edits, 2 } } };
    }
    result = (answers){ 0, { { all, count } } };
    return &result;
}

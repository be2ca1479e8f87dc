/* Memory of a program without a C library: taken one piece behind the other, and given back all at once after each call. */

#ifndef MEMORY_H
#define MEMORY_H

#include "component.h"

#define PAGE 65536ul

/* Where the program's own data ends; the linker knows. */
extern u8 __heap_base;

static size next_free;
/* What was taken up to here stays: the configuration. */
static size kept;

static void *take(size length, size alignment) {
    if (!next_free) next_free = kept = (size)&__heap_base;
    size start = (next_free + alignment - 1) & ~(alignment - 1);
    size end = start + length;
    size have = __builtin_wasm_memory_size(0) * PAGE;
    if (end < start || (end > have && __builtin_wasm_memory_grow(0, (end - have + PAGE - 1) / PAGE) == (size)-1)) __builtin_trap();
    next_free = end;
    return (void *)start;
}

static void keep_all(void) { kept = next_free; }
static void give_back(void) { next_free = kept; }

static void copy(char *to, const char *from, size length) {
    for (size i = 0; i < length; i++) to[i] = from[i];
}

/* The host takes memory here for what it passes in. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size old_length, size alignment, size length) {
    void *taken = take(length, alignment);
    copy(taken, old, old_length < length ? old_length : length);
    return taken;
}

#endif

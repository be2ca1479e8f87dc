;; A mapping by hand, as small as one can be: it maps every entry to a User and sets nothing. The tests put what is hostile
;; in the place of the comments that begin with two at signs.
(module
  (import "provisor:rules/log@0.1.0-draft.2" "emit" (func $emit (param i32 i32 i32 i32 i32)))
  (;@@import;)
  (memory (export "memory") 1(;@@memory;))
  (table $table 1 funcref)
  (global $free (mut i32) (i32.const 32768))
  (;@@module;)

  ;; name, version, schema, read, kind, write
  (data (i32.const 1024) "hostile1.0.0{}uidUseruserName")
  ;; The manifest: pointers and lengths of name, version, schema, annotations.
  (data (i32.const 64) "\00\04\00\00\07\00\00\00\07\04\00\00\05\00\00\00\0c\04\00\00\02\00\00\00\00\00\00\00\00\00\00\00")
  ;; The contract: there is one; no object classes, one read, no resource-reads, a kind, one write, no time.
  (data (i32.const 192) "\01\00\00\00\00\00\00\00\00\00\00\00\40\01\00\00\01\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\11\04\00\00\04\00\00\00\60\01\00\00\01\00\00\00\00\00\00\00")
  (data (i32.const 320) "\0e\04\00\00\03\00\00\00\00\00\00\00")
  (data (i32.const 352) "\15\04\00\00\08\00\00\00\00\00\00\00")

  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (local $at i32)
    (;@@realloc;)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get $new)))
    (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.add (i32.shr_u (local.get $new) (i32.const 16)) (i32.const 1))))))
    (local.get $at))

  (func (export "provisor:rules/lifecycle@0.1.0-draft.2#describe") (result i32)
    (;@@describe;)
    (i32.const 64))

  (func (export "provisor:rules/lifecycle@0.1.0-draft.2#configure") (param i32 i32) (result i32)
    (;@@configure;)
    (i32.const 128))

  (func (export "provisor:rules/lifecycle@0.1.0-draft.2#summary") (result i32)
    (;@@summary;)
    (i32.const 512))

  (func (export "provisor:rules/mapping@0.1.0-draft.2#describe-contract") (result i32)
    (;@@contract;)
    (i32.const 192))

  (func (export "provisor:rules/mapping@0.1.0-draft.2#transform")
    (param $timed i32) (param $time i64)
    (param $count i32) (param i32 i32 i32 i32) (param i32 i32 i32 i32 i32)
    (result i32)
    (global.set $free (i32.const 32768))
    ;; No error; the answers are at 4096, 40 octets each, all zero: no edits.
    (i32.store (i32.const 404) (i32.const 4096))
    (i32.store (i32.const 408) (local.get $count))
    (;@@transform;)
    (i32.const 400))
)

;; A core module is no component.
(module (func (export "provisor:rules/mapping@0.1.0-draft.2#transform")))

;; Wants the host to give it code.
(component
  (import "code" (core module))
  (instance $i)
  (export "provisor:rules/lifecycle@0.1.0-draft.2" (instance $i))
  (export "provisor:rules/mapping@0.1.0-draft.2" (instance $i)))

;; Asks for a function that the host's log does not have.
(component
  (import "provisor:rules/log@0.1.0-draft.2" (instance (export "erase" (func))))
  (instance $i)
  (export "provisor:rules/lifecycle@0.1.0-draft.2" (instance $i))
  (export "provisor:rules/mapping@0.1.0-draft.2" (instance $i)))

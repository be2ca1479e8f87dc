;; Has the names of the interfaces and nothing in them.
(component
  (instance $i)
  (export "provisor:rules/lifecycle@0.1.0-draft.2" (instance $i))
  (export "provisor:rules/mapping@0.1.0-draft.2" (instance $i)))

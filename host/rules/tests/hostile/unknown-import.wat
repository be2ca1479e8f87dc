;; Asks for what no rule has.
(component
  (import "acme:database/query@1.0.0" (instance (export "run" (func (param "sql" string)))))
  (instance $i)
  (export "provisor:rules/lifecycle@0.1.0-draft.2" (instance $i))
  (export "provisor:rules/mapping@0.1.0-draft.2" (instance $i)))

;; An import whose name would turn a terminal red.
(component
  (import "acme:data/\1b[31mquery@1.0.0" (instance)))

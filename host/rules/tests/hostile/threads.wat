;; Shares memory between threads that there are none of.
(component (core module (memory 1 1 shared)))

;; A module of two memories; only what the engine makes itself may have them.
(component (core module (memory 1) (memory 1)))

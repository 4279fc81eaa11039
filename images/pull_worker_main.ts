/** The main module of a pull's worker when the program runs from its source. */
import { serve } from "./pull_worker.ts";

serve();

/** How detections and tracks are put together: the names that packs and sessions choose by. */

/** Sets of rules that a pack's manifest can name; what each is for is said in PROTOCOL.md. */
export const PRESET_NAMES = ["sam3", "sam3-ablation", "transformers", "masklet", "compact"] as const;

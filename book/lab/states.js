/** What the package says of the data set and its colours (statesdiff/data.py and plotting.py). */

export const STATE_NAMES = ["Michigan", "Idaho", "Ohio", "Oklahoma", "Wisconsin"];
/** Standard deviation of the points about the outline, standardised units. */
export const JITTER = 0.0175;
/** Half the side of the usual window, standardised units. */
export const LIMIT = 2.6;

// Generated from package.json. DO NOT EDIT.

/** The version of this package. Its major version is that of the proto package (v1). */
export const VERSION = "1.0.0";

/** Creates certificates for one test, with openssl, in a temporary folder. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export interface Certificate {
  readonly key: Buffer;
  readonly certificate: Buffer;
}

/** A certificate authority. */
export class Authority {
  readonly certificate: Buffer;
  readonly #folder: string;

  constructor(t: TestContext) {
    this.#folder = mkdtempSync(join(tmpdir(), "payments-client-"));
    t.after(() => {
      rmSync(this.#folder, { recursive: true });
    });
    this.#openssl("req", "-x509", ...request("authority"), "-days", "1", "-out", "authority.crt");
    this.certificate = this.#read("authority.crt");
  }

  /** Issues a certificate to `name`, for a server at 127.0.0.1 or a client. */
  issue(name: string): Certificate {
    writeFileSync(join(this.#folder, `${name}.ext`), "subjectAltName = IP:127.0.0.1, DNS:localhost\n");
    this.#openssl("req", ...request(name), "-out", `${name}.csr`);
    const authority = ["-CA", "authority.crt", "-CAkey", "authority.key", "-CAcreateserial"];
    const names = ["-in", `${name}.csr`, "-extfile", `${name}.ext`, "-out", `${name}.crt`];
    this.#openssl("x509", "-req", ...authority, ...names, "-days", "1");
    return { key: this.#read(`${name}.key`), certificate: this.#read(`${name}.crt`) };
  }

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.#folder, stdio: "pipe" });
  }

  #read(name: string): Buffer {
    return readFileSync(join(this.#folder, name));
  }
}

function request(name: string): string[] {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${name}.key`];
  return [...key, "-subj", `/CN=${name}`];
}

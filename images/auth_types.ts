/** What a person proves to a registry who they are with. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  /** An OAuth2 refresh token, kept in place of a password. */
  readonly identityToken?: string;
  /** A bearer token that is sent as it is. */
  readonly registryToken?: string;
}

/** Finds the credentials for a registry's domain, and below it perhaps for one repository; undefined without any. */
export type FindCredentials = (domain: string, path?: string) => Promise<Credentials | undefined>;

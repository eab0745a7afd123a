import { Page } from "../components/frame";
export function Upstreams() { return <Page title="Upstreams">{null}</Page>; }

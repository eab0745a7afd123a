import { Page } from "../components/frame";
export function Capacity() { return <Page title="Capacity">{null}</Page>; }

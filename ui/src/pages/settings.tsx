import { Page } from "../components/frame";
export function Settings() { return <Page title="Settings">{null}</Page>; }

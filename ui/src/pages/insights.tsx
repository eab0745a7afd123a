import { Page } from "../components/frame";
export function Insights() { return <Page title="Insights">{null}</Page>; }
